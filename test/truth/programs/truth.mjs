// SPDX-License-Identifier: Apache-2.0
// A program that knows its own stack. Run with --perf-basic-prof --no-turbo-inlining.
const PHASES = 4;
const RUNGS = 100;

function evenLeaf(x) {
  let y = x;
  for (let i = 0; i < 5000; i++) y = (Math.imul(y, 1664525) + i) | 0;
  return y;
}
function evenMiddle(x) {
  return evenLeaf(x) ^ 1;
}
function evenOuter(x) {
  return evenMiddle(x) ^ 1;
}

function oddLeaf(x) {
  let y = x;
  for (let i = 0; i < 5000; i++) y = (Math.imul(y, 1664525) + i) | 0;
  return y;
}
function oddMiddle(x) {
  return oddLeaf(x) ^ 2;
}
function oddOuter(x) {
  return oddMiddle(x) ^ 2;
}

function ladderLeaf(x) {
  let y = x;
  for (let i = 0; i < 5000; i++) y = (Math.imul(y, 1664525) + i) | 0;
  return y;
}
function ladderRung(n, x) {
  return (n === 1 ? ladderLeaf(x) : ladderRung(n - 1, x)) ^ 3;
}
function ladderOuter(x) {
  return ladderRung(RUNGS, x) ^ 3;
}

// Below V8's own sort, which is not JavaScript.
function sandwichCompare(a, b) {
  let y = a;
  for (let i = 0; i < 5000; i++) y = (Math.imul(y, 1664525) + i) | 0;
  return y === a ? 1 : a - b;
}
function sandwichOuter() {
  return [5, 3, 7, 1, 8, 2, 6, 4].sort(sandwichCompare)[0];
}

let x = 1;
for (;;) {
  const phase = Math.floor(Date.now() / 500) % PHASES;
  if (phase === 0) x = evenOuter(x);
  else if (phase === 1) x = oddOuter(x);
  else if (phase === 2) x = ladderOuter(x);
  else x ^= sandwichOuter();
}
