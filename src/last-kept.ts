/**
 * Holds on to the last object of a kind that is made anew for each request or each collection, for the sake of the code
 * that deals with them.
 *
 * V8 throws optimised code away when a mark-compact finds no object alive of a shape that the code was made for. Where
 * somebody asks each few seconds there is mostly none, and it takes hours of asking until the code is optimised again.
 * That was so for most of what a scrape goes through, of Node's HTTP server, of koa and of ours. With the last one held
 * nearly all of it stays; a test has V8 tell.
 */

/** Answers what it is given, and holds it until it is given another one. */
export function lastKept<Kind>(): (one: Kind) => Kind {
  const kept: Kind[] = [];
  return (one) => {
    kept[0] = one;
    return one;
  };
}
