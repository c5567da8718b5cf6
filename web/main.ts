// SPDX-License-Identifier: Apache-2.0
import { App } from './view/app.ts';

new App().start();
