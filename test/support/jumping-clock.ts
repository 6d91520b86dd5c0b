/** Loaded before a program: its wall clock jumps an hour back after 2 s, and two hours on after 4 s. */
const real = Date.now;
const startMs = performance.now();

Date.now = (): number => {
  const passedMs = performance.now() - startMs;
  if (passedMs > 4_000) return real() + 3_600_000;
  return passedMs > 2_000 ? real() - 3_600_000 : real();
};
