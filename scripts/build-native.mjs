// SPDX-License-Identifier: Apache-2.0
// Builds build/bpf/*.o, build/otelcol_profiles.node and build/otelcol_codecs.node with plain compilers: no
// header download, no generator. Incremental by the compilers' own dependency files. A part that cannot
// be built does not keep the others from being built.
//   --only=bpf,addon,codecs  these parts only
//   --test                   builds and runs native/test/*_test.cc and native/codecs/*_test.cc instead
//   --test=NAME ARGUMENT…    this one only, with these arguments
//   --arch=arm64             for another machine than this one, into build/arm64, with Debian's cross compiler and
//                            libraries; tests then run in QEMU's emulation of programs
//   --sanitize               builds those tests with AddressSanitizer and UndefinedBehaviorSanitizer
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import {
  build as buildHere,
  compileAll,
  firstCommand,
  isStale,
  link,
  native,
  run,
  sourcesIn,
  step,
} from './compile.mjs';
import { crossTools } from './cross-tools.mjs';

const require = createRequire(import.meta.url);
const args = new Set(process.argv.slice(2));
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
const parts = only === undefined ? ['bpf', 'addon', 'codecs'] : only.split(',');
const arch = process.argv.find((arg) => arg.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch;
const isCross = arch !== process.arch;
const build = isCross ? join(buildHere, arch) : buildHere;
const triplet = arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const cross = isCross ? crossTools(arch) : { compile: [], link: [], run: [] };
const cxx = isCross ? `${triplet}-g++` : (process.env.CXX ?? 'g++');
const clang = process.env.BPF_CLANG ?? firstCommand('clang-14', 'clang-16', 'clang-19', 'clang');
const strip =
  process.env.LLVM_STRIP ?? firstCommand('llvm-strip-14', 'llvm-strip-16', 'llvm-strip-19', 'llvm-strip');

const warnings = ['-Wall', '-Wextra', '-Werror'];
const common = ['-std=c++20', '-fPIC', '-g', '-fno-exceptions', '-fvisibility=hidden', ...warnings];
const nodeFlags = (addon) => [
  '-DNAPI_VERSION=9',
  '-DNAPI_DISABLE_CPP_EXCEPTIONS',
  '-DNODE_ADDON_API_DISABLE_DEPRECATED',
  `-DBUILDING_NODE_EXTENSION`,
  `-DNODE_GYP_MODULE_NAME=${addon}`,
  // Third-party headers: our warnings are not theirs.
  '-isystem',
  packageDirectory('node-api-headers', 'include'),
  '-isystem',
  packageDirectory('node-addon-api'),
];

/** The addons. What needs Node-API is left out of the tests' programs. */
const ADDONS = {
  addon: {
    output: 'otelcol_profiles',
    sources: () => {
      const addon = join(native, 'addon');
      const parts = ['dwarf', 'elf', 'process_events', 'symbols', 'unwind', 'runtimes'].map((part) =>
        join(addon, part),
      );
      return sourcesIn(addon, ...parts, ...foldersIn(join(addon, 'runtimes')));
    },
    tests: join(native, 'test'),
    optimize: '-O2',
    objects: 'obj',
    // libzstd as in the codecs: static and hidden, so that Node's own does not stand in.
    libraries: [
      '-Wl,--exclude-libs,libzstd.a:liblzma.a',
      '-lbpf',
      '-lelf',
      '-lz',
      '-l:liblzma.a',
      '-l:libzstd.a',
    ],
  },
  codecs: {
    output: 'otelcol_codecs',
    sources: () => sourcesIn(join(native, 'codecs')).filter((file) => !isTest(file)),
    tests: join(native, 'codecs'),
    optimize: '-O3',
    objects: 'obj-codecs',
    // Static, so that running needs no package; hidden, so that Node's own zstd does not stand in for them.
    libraries: [
      '-Wl,--exclude-libs,ALL',
      '-l:libdeflate.a',
      '-l:libzstd.a',
      '-l:libsnappy.a',
      '-l:liblz4.a',
      '-pthread',
    ],
  },
};

function packageDirectory(name, ...rest) {
  return join(dirname(require.resolve(`${name}/package.json`)), ...rest);
}

function foldersIn(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(directory, entry.name));
}

async function buildBpf() {
  const directory = join(build, 'bpf');
  mkdirSync(directory, { recursive: true });
  const sources = readdirSync(join(native, 'bpf')).filter((name) => name.endsWith('.bpf.c'));
  const target = arch === 'arm64' ? 'arm64' : 'x86';
  const include = isCross ? `/usr/${triplet}/include` : `/usr/include/${triplet}`;
  let made = 0;
  for (const name of sources) {
    const source = join(native, 'bpf', name);
    const output = join(directory, name.replace(/\.c$/, '.o'));
    const command = [
      clang,
      '-O2',
      '-g',
      '-target',
      'bpf',
      '-mcpu=v3',
      `-D__TARGET_ARCH_${target}`,
      ...warnings,
      '-I',
      include,
      '-MMD',
      '-MF',
      `${output}.d`,
      '-c',
      source,
      '-o',
      output,
    ];
    const done = isStale(output, source, command);
    if (!done) continue;
    await run(clang, command.slice(1));
    // DWARF goes, BTF stays.
    await run(strip, ['-g', output]);
    done();
    made++;
  }
  return `${made} of ${sources.length} eBPF objects`;
}

const isTest = (file) => file.endsWith('_test.cc');

async function buildAddon({ output, sources, optimize, objects, libraries }) {
  let compiled;
  await step('compile', async () => {
    const flags = [...common, optimize, ...nodeFlags(output)];
    compiled = await compileAll(sources(), join(build, objects), cxx, [...flags, ...cross.compile]);
    return `${compiled.total} of ${compiled.objects.length} files of ${output}`;
  });
  await step('link', () =>
    link(cxx, join(build, `${output}.node`), compiled.objects, [
      ...cross.link,
      '-shared',
      '-Wl,--gc-sections',
      '-Wl,-z,relro,-z,now',
      ...libraries,
    ]),
  );
}

const chosenTest = process.argv.find((arg) => arg.startsWith('--test='))?.slice('--test='.length);
/** Tests whose subject is the host itself: its programs, its processes, what its tools say of them. */
const OF_THE_HOST = new Set([
  'unwind_table_test.cc',
  'unwind_process_test.cc',
  'dwarf_compare_test.cc',
  'line_worker_test.cc',
  'python_test.cc',
  'elf_test.cc',
  'symbols_maps_test.cc',
]);

const needsNode = (file) => readFileSync(file, 'utf8').includes('#include <napi.h>');

async function buildAndRunTests({ output, sources, tests, optimize, libraries }, sanitize) {
  const flags = sanitize
    ? ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer']
    : [optimize];
  const directory = join(build, sanitize ? 'test-sanitize' : 'test');
  const testFiles = sourcesIn(tests).filter(
    (file) =>
      isTest(file) &&
      (chosenTest === undefined || basename(file, '.cc') === chosenTest) &&
      !(isCross && OF_THE_HOST.has(basename(file))),
  );
  if (testFiles.length === 0) return;
  const tested = sources().filter((file) => !needsNode(file));
  const include = ['-I', join(native, 'addon'), '-I', join(native, 'test')];
  let library;
  await step('compile', async () => {
    library = await compileAll([...tested, ...testFiles], directory, cxx, [
      ...common,
      ...flags,
      ...include,
      ...cross.compile,
    ]);
    return `${library.total} of ${library.objects.length} files for tests of ${output}`;
  });
  const shared = library.objects.slice(0, tested.length);
  for (const [i, test] of testFiles.entries()) {
    const binary = join(directory, basename(test, '.cc'));
    await step('link', () =>
      link(
        cxx,
        binary,
        [library.objects[tested.length + i], ...shared],
        [...cross.link, ...flags, ...libraries],
      ),
    );
    await step('run', async () => {
      const given =
        chosenTest === undefined ? [] : process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
      const [command, ...rest] = [...cross.run, binary, ...given];
      await run(command, rest);
      return basename(test);
    });
  }
}

function buildPart(part) {
  if (part === 'bpf') return step('bpf', buildBpf);
  const addon = ADDONS[part];
  if (addon === undefined) throw new Error(`no such part: "${part}"; valid: bpf, addon, codecs`);
  return buildAddon(addon);
}

mkdirSync(build, { recursive: true });
const testsOnly = args.has('--test') || args.has('--sanitize') || chosenTest !== undefined;
for (const part of parts) {
  try {
    if (!testsOnly) await buildPart(part);
    else if (part !== 'bpf') await buildAndRunTests(ADDONS[part], args.has('--sanitize'));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
