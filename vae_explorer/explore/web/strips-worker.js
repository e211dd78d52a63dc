// The strips' painter in a thread of its own: a message is [method, argument], what it says back a refusal.

import { StripsPainter } from "./strips-painter.js";

const painter = new StripsPainter((sentence) => postMessage(sentence));

self.onmessage = ({ data: [method, argument] }) => painter[method](argument);
