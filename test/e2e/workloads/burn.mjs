// SPDX-License-Identifier: Apache-2.0
// Burns CPU below a known chain: outerWork > innerWork. Run with --perf-basic-prof or --perf-prof.
const COMPILE_EVERY_MS = 50;

function innerWork(x) {
  let y = x;
  for (let i = 0; i < 5000; i++) y = (Math.imul(y, 1664525) + i) | 0;
  return y;
}

function outerWork(x) {
  const y = innerWork(x);
  return y ^ 1;
}

// V8 writes a jitdump by the page: only what is compiled later pushes out what it holds back.
function compileMore(n) {
  // oxlint-disable-next-line typescript/no-implied-eval -- code that V8 has not compiled before
  const fresh = new Function('x', `return (x + ${n}) | 0`);
  let y = 0;
  for (let i = 0; i < 10000; i++) y = fresh(y);
  return y;
}

let x = 1;
let compileAtMs = Date.now();
for (;;) {
  x = outerWork(x);
  if (Date.now() < compileAtMs) continue;
  compileAtMs += COMPILE_EVERY_MS;
  compileMore(compileAtMs);
}
