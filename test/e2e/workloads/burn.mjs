// SPDX-License-Identifier: Apache-2.0
// Burns CPU below a known chain: outerWork > innerWork. Run with --perf-basic-prof.
function innerWork(x) {
  let y = x;
  for (let i = 0; i < 5000; i++) y = (Math.imul(y, 1664525) + i) | 0;
  return y;
}

function outerWork(x) {
  const y = innerWork(x);
  return y ^ 1;
}

let x = 1;
for (;;) x = outerWork(x);
