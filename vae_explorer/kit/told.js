// Long work on the server, told line by line (vae_explorer/live/told.py): how far it is, and its result last.

const LOST = "The server did not answer; try again.";

// A promise of the result. progress({ done, says }) hears of each line before it. Throws a sentence; an abort of `signal`
// as AbortError, and it ends the work.
export async function fetchTold(path, body, { signal, progress = () => {} } = {}) {
  const answer = await post(path, body, signal);
  let result = null;
  for await (const line of lines(answer.body)) {
    const said = JSON.parse(line);
    if ("done" in said) progress(said);
    else result = said;
  }
  if (result?.error) throw new Error(result.error);
  if (!result) throw new Error(LOST); // it broke off
  return result;
}

export async function post(path, body, signal) {
  const options = {
    method: "POST",
    signal,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  };
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
    const { done, value } = await reader.read().catch((error) => {
      throw error instanceof TypeError ? new Error(LOST) : error;
    });
    const parts = (rest + (value ?? "")).split("\n");
    rest = done ? "" : parts.pop();
    for (const part of parts) if (part.trim()) yield part;
    if (done) return;
  }
}
