// SPDX-License-Identifier: Apache-2.0
// An express program with the middleware of @pyroscope/nodejs, which others ask for its profiles. Prints its address.
import Pyroscope from '@pyroscope/nodejs';
import express from 'express';

function burnCpu() {
  const end = Date.now() + 40;
  let sum = 0;
  while (Date.now() < end) for (let i = 0; i < 100_000; i++) sum = (sum + i) ^ 1;
  return sum;
}

Pyroscope.init({ wall: { collectCpuTime: true } });
const app = express();
app.use(Pyroscope.expressMiddleware());
const server = app.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
setInterval(burnCpu, 60);
