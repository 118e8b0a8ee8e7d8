// Reads QR codes off the screen, as a wallet's camera does.

import jsqr from "jsqr";
import { PNG } from "pngjs";
import { URDecoder } from "@ngraveio/bc-ur";
import { until } from "./lib.mjs";

// CommonJS modules come as they like.
const decode = jsqr.default ?? jsqr;

/** The text of the one code in a screenshot of `element`; `null` when there is none that
 * can be read. */
const look = async (element) => {
  const { width, height, data } = PNG.sync.read(await element.screenshot());
  return decode(new Uint8ClampedArray(data), width, height)?.data ?? null;
};

/** What the code in `element` says: its text, or what the frames of an animated one
 * (NUT-16, Uniform Resources) are together. `frames` is the number of different ones. */
export const read = async (element) => {
  const first = await until("a code that can be read", () => look(element));
  if (!first.toLowerCase().startsWith("ur:")) return { text: first, frames: 1 };
  const [decoder, seen] = [new URDecoder(), new Set()];
  await until("all frames of an animated code", async () => {
    const frame = await look(element);
    if (frame && !seen.has(frame)) {
      seen.add(frame);
      decoder.receivePart(frame.toLowerCase());
    }
    return decoder.isComplete();
  });
  if (!decoder.isSuccess()) throw new Error(`the frames do not fit: ${decoder.resultError()}`);
  return { text: decoder.resultUR().decodeCBOR().toString(), frames: seen.size };
};
