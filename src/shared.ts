/**
 * Sharing one piece of work among all who ask for it in the same turn of the event loop. It begins when the turn's
 * input has been dealt with, so nobody gets a result that is older than the question.
 */
export function shared<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let next: Promise<Result> | undefined;
  return () => {
    next ??= new Promise((resolve) => {
      setImmediate(() => {
        // Whoever asks from here on is too late for this one.
        next = undefined;
        resolve(work());
      });
    });
    return next;
  };
}
