// One argument of a command line, as a shell takes it.
export const quoted = (text) => `"${text.replaceAll(/(["\\$`])/g, "\\$1")}"`;
