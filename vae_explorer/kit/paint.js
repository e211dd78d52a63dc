// Pixels onto canvases: 1 or 3 bytes per pixel in, RGBA out.

const GREY = new Uint32Array(256);
for (let g = 0; g < 256; g++) GREY[g] = (0xff000000 | (g << 16) | (g << 8) | g) >>> 0;

// Paint `columns` pictures side by side, starting with number `first` of the answer.
export function paint(canvas, answer, first = 0, columns = 1) {
  const { height, width, channels, pixels } = answer;
  if (canvas.width !== width * columns || canvas.height !== height) {
    canvas.width = width * columns;
    canvas.height = height;
    canvas.image = null;
  }
  canvas.context ??= canvas.getContext("2d", { alpha: false });
  canvas.image ??= canvas.context.createImageData(width * columns, height);
  const out = new Uint32Array(canvas.image.data.buffer);
  const stride = width * columns;
  let from = first * height * width * channels;
  for (let column = 0; column < columns; column++) {
    for (let y = 0; y < height; y++) {
      let to = y * stride + column * width;
      for (const end = to + width; to < end; to++) {
        if (channels === 1) out[to] = GREY[pixels[from++]];
        else {
          out[to] = (0xff000000 | (pixels[from + 2] << 16) | (pixels[from + 1] << 8) | pixels[from]) >>> 0;
          from += 3;
        }
      }
    }
  }
  canvas.context.putImageData(canvas.image, 0, 0);
}
