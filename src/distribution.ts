// SPDX-License-Identifier: Apache-2.0
import type { Factories } from './component/factory.ts';
import { forwardConnectorFactory } from './connectors/forward/factory.ts';
import { debugExporterFactory } from './exporters/debug/factory.ts';
import { fileExporterFactory } from './exporters/file/factory.ts';
import { nopExporterFactory } from './exporters/nop/factory.ts';
import { otlpGrpcExporterFactory } from './exporters/otlp-grpc/factory.ts';
import { otlpHttpExporterFactory } from './exporters/otlp-http/factory.ts';
import { pyroscopeExporterFactory } from './exporters/pyroscope/factory.ts';
import { viewerExporterFactory } from './exporters/viewer/factory.ts';
import { fileStorageExtensionFactory } from './extensions/file-storage/factory.ts';
import { healthCheckExtensionFactory } from './extensions/health-check/factory.ts';
import { memoryLimiterExtensionFactory } from './extensions/memory-limiter/factory.ts';
import { pprofExtensionFactory } from './extensions/pprof/factory.ts';
import { zpagesExtensionFactory } from './extensions/zpages/factory.ts';
import { basicAuthExtensionFactory } from './extensions/basicauth/factory.ts';
import { bearerTokenAuthExtensionFactory } from './extensions/bearertokenauth/factory.ts';
import { headersSetterExtensionFactory } from './extensions/headers-setter/factory.ts';
import { oauth2ClientExtensionFactory } from './extensions/oauth2client/factory.ts';
import { batchProcessorFactory } from './processors/batch/factory.ts';
import { k8sAttributesProcessorFactory } from './processors/k8s-attributes/factory.ts';
import { memoryLimiterProcessorFactory } from './processors/memory-limiter/factory.ts';
import { relabelProcessorFactory } from './processors/relabel/factory.ts';
import { resourceDetectionProcessorFactory } from './processors/resource-detection/factory.ts';
import { resourceProcessorFactory } from './processors/resource/factory.ts';
import { symbolizeProcessorFactory } from './processors/symbolize/factory.ts';
import { fileReceiverFactory } from './receivers/file/factory.ts';
import { nopReceiverFactory } from './receivers/nop/factory.ts';
import { otlpReceiverFactory } from './receivers/otlp/factory.ts';
import { profilingReceiverFactory } from './receivers/profiling/factory.ts';

/** Every component of this distribution. */
export const factories: Factories = {
  receivers: [fileReceiverFactory, nopReceiverFactory, otlpReceiverFactory, profilingReceiverFactory],
  processors: [
    batchProcessorFactory,
    k8sAttributesProcessorFactory,
    memoryLimiterProcessorFactory,
    relabelProcessorFactory,
    resourceProcessorFactory,
    resourceDetectionProcessorFactory,
    symbolizeProcessorFactory,
  ],
  exporters: [
    debugExporterFactory,
    fileExporterFactory,
    nopExporterFactory,
    otlpGrpcExporterFactory,
    otlpHttpExporterFactory,
    pyroscopeExporterFactory,
    viewerExporterFactory,
  ],
  extensions: [
    basicAuthExtensionFactory,
    bearerTokenAuthExtensionFactory,
    fileStorageExtensionFactory,
    headersSetterExtensionFactory,
    healthCheckExtensionFactory,
    oauth2ClientExtensionFactory,
    pprofExtensionFactory,
    zpagesExtensionFactory,
    memoryLimiterExtensionFactory,
  ],
  connectors: [forwardConnectorFactory],
};
