/**
 * Texts that many clients send alike, held once, and cut to a length: ten thousand clients of one program send the same
 * User-Agent in ten thousand strings.
 */

const LENGTH_MAX = 256;
/** Then it begins anew: whoever sends a new one each time gains nothing, and the next are shared again. */
const TEXTS_MAX = 1_000;

export class SharedTexts {
  readonly #texts = new Map<string, string>();

  /** A text of a header: each character is a byte. */
  take(text: string | undefined): string | undefined {
    if (text === undefined) return undefined;
    const cut = text.length > LENGTH_MAX ? cutTo(text, LENGTH_MAX) : text;
    const known = this.#texts.get(cut);
    if (known !== undefined) return known;
    if (this.#texts.size >= TEXTS_MAX) this.#texts.clear();
    this.#texts.set(cut, cut);
    return cut;
  }
}

/** By way of its bytes: what slice answers may hold on to the whole. */
function cutTo(text: string, length: number): string {
  return Buffer.from(text.slice(0, length), 'latin1').toString('latin1');
}
