// A path from the server: lines of JSON, the last of which is the answer.

const LOST = "The server did not answer; try again.";

// progress({ done, says }) hears of each line before the last. Throws a sentence; an abort of `signal` as AbortError.
export async function fetchPath(body, { signal, progress }) {
  const answer = await post("/walks/path", body, signal);
  let last = null;
  for await (const line of lines(answer.body)) {
    if (last) progress(last);
    last = JSON.parse(line);
  }
  if (last?.error) throw new Error(last.error);
  if (!last?.codes) throw new Error(LOST);
  return last;
}

export async function post(path, body, signal) {
  const options = { method: "POST", signal, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(new URL(path, location.origin), options).catch((error) => {
    throw error instanceof TypeError ? new Error(LOST) : error;
  });
  if (!answer.ok) throw new Error((await answer.text()) || LOST);
  return answer;
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n");
    rest = done ? "" : parts.pop();
    for (const part of parts) if (part.trim()) yield part;
    if (done) return;
  }
}
