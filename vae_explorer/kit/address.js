// The address opens a page again as it is seen. It is replaced, not pushed: Back leaves the page.

// Write what `page` ("" is Explore) says of itself, without what is empty. A page that was left is on the screen until the
// next one has run: what it still has to say is not written over the address that the visitor went to.
export function write(page, said) {
  const url = new URL(location);
  if (!url.pathname.endsWith(`/${page}`)) return;
  url.search = new URLSearchParams(Object.entries(said).filter(([, value]) => value));
  history.replaceState(history.state, "", url);
}
