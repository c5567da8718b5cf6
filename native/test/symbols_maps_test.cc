// SPDX-License-Identifier: Apache-2.0
// Perf maps, kallsyms, separate debug files.
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "../addon/symbols/symbols.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

std::string directory;

std::string write(const std::string& name, const std::string& text, bool append = false) {
  std::string path = directory + "/" + name;
  std::ofstream(path, append ? std::ios::app : std::ios::trunc) << text;
  return path;
}

struct NameCase {
  const char* text;
  bool jvm;
  FrameKind kind;
  const char* name;
  const char* file;
  uint32_t line;
  uint32_t column;
};

constexpr NameCase kNames[] = {
    {"JS:*add /app/math.js:10:5", false, FrameKind::V8Js, "add", "/app/math.js", 10, 5},
    {"JS:~wrapSafe node:internal/modules/cjs/loader:1023:18", false, FrameKind::V8Js, "wrapSafe",
     "node:internal/modules/cjs/loader", 1023, 18},
    {"JS:^get size /a b/c.js:1:2", false, FrameKind::V8Js, "get size", "/a b/c.js", 1, 2},
    {"JS:+[Symbol.iterator] /a.js:7:1", false, FrameKind::V8Js, "[Symbol.iterator]", "/a.js", 7, 1},
    {"JS:* /app/anonymous.js:3:9", false, FrameKind::V8Js, "(anonymous)", "/app/anonymous.js", 3, 9},
    {"JS:~f", false, FrameKind::V8Js, "f", "", 0, 0},
    {"LazyCompile:*run /b.js:4:1", false, FrameKind::V8Js, "run", "/b.js", 4, 1},
    {"Builtin:ArrayMap", false, FrameKind::V8Js, "Builtin:ArrayMap", "", 0, 0},
    {"BytecodeHandler:Star0", false, FrameKind::V8Js, "BytecodeHandler:Star0", "", 0, 0},
    {"py::Foo.bar:/usr/lib/python3.12/x.py", false, FrameKind::CPython, "Foo.bar",
     "/usr/lib/python3.12/x.py", 0, 0},
    {"py::<module>:a:b.py", false, FrameKind::CPython, "<module>", "a:b.py", 0, 0},
    {"void java.lang.String.foo(int, char[])", true, FrameKind::Jvm, "java.lang.String.foo", "", 0, 0},
    {"java.util.Map$Entry a.B.get(a.C)", true, FrameKind::Jvm, "a.B.get", "", 0, 0},
    {"StubRoutines (1)", true, FrameKind::Jvm, "StubRoutines (1)", "", 0, 0},
    {"$my_module:f/1", false, FrameKind::Unknown, "$my_module:f/1", "", 0, 0},
};

void perfMapNames() {
  for (const NameCase& c : kNames) {
    ResolvedFrame frame;
    FrameKind kind = ParsePerfMapName(c.text, c.jvm, &frame);
    CHECK_EQ(static_cast<int>(kind), static_cast<int>(c.kind));
    CHECK_EQ(frame.name, c.name);
    CHECK_EQ(frame.file, c.file);
    CHECK_EQ(frame.line, c.line);
    CHECK_EQ(frame.column, c.column);
  }
}

std::string at(const PerfMap& map, uint64_t pc) {
  ResolvedFrame frame;
  FrameKind kind;
  return map.Lookup(pc, &frame, &kind) ? frame.name : "-";
}

void perfMapFiles() {
  std::string path = write("perf-1.map", "1000 100 a\n2000 100 b\nnot a line\n3000 zz c\n4000 0 d\n2080 1");
  PerfMap map(getpid(), path);
  CHECK(map.Refresh());
  CHECK_EQ(at(map, 0xfff), "-");
  CHECK_EQ(at(map, 0x1000), "a");
  CHECK_EQ(at(map, 0x10ff), "a");
  CHECK_EQ(at(map, 0x1100), "-");
  CHECK_EQ(at(map, 0x20ff), "b");
  CHECK(!map.Refresh());
  // The cut line is completed; then an entry over the middle of `a`, and one over all of both.
  write("perf-1.map", "0 late\n1040 10 mid\n", true);
  CHECK(map.Refresh());
  CHECK_EQ(at(map, 0x2080), "late");
  CHECK_EQ(at(map, 0x2090), "b");
  CHECK_EQ(at(map, 0x103f), "a");
  CHECK_EQ(at(map, 0x1040), "mid");
  CHECK_EQ(at(map, 0x1050), "a");
  write("perf-1.map", "f00 2000 all\n1000 10 new\n", true);
  CHECK(map.Refresh());
  CHECK_EQ(at(map, 0x1000), "new");
  CHECK_EQ(at(map, 0x1010), "all");
  CHECK_EQ(at(map, 0x2080), "all");
  write("perf-1.map", "5000 10 fresh\n");  // shorter: the process started anew
  CHECK(map.Refresh());
  CHECK_EQ(at(map, 0x1000), "-");
  CHECK_EQ(at(map, 0x5000), "fresh");

  PerfMap small(getpid(), write("perf-2.map", "1000 10 a\n2000 10 b\n3000 10 c\n"), {1 << 20, 1 << 20, 2});
  CHECK(small.Refresh());
  CHECK(small.truncated());
  CHECK_EQ(small.entryCount(), 2u);

  PerfMap jvm(getpid(), write("perf-3.map", "0x0000000000001000 0x00000010 void a.B.c(int)\n"));
  CHECK(jvm.Refresh());
  CHECK_EQ(at(jvm, 0x1008), "a.B.c");
}

/// The pieces must always equal a plain array painted in the same order.
void perfMapAgainstModel() {
  std::mt19937 random(3);
  constexpr uint64_t kSpan = 4096;
  for (int round = 0; round < 40; round++) {
    std::vector<int> model(kSpan, -1);
    std::string path = write("perf-4.map", "");
    PerfMap map(getpid(), path);
    int id = 0;
    for (int refresh = 0; refresh < 6; refresh++) {
      std::string text;
      for (size_t i = random() % 20; i > 0; i--) {
        uint64_t start = random() % (kSpan - 1);
        uint64_t size = random() % std::min<uint64_t>(300, kSpan - start) + 1;
        size = std::min(size, kSpan - start);
        char line[64];
        std::snprintf(line, sizeof line, "%lx %lx f%d\n", start, size, id);
        text += line;
        for (uint64_t a = start; a < start + size; a++) model[a] = id;
        id++;
      }
      write("perf-4.map", text, true);
      map.Refresh();
      for (uint64_t a = 0; a < kSpan; a += 1 + random() % 3) {
        std::string expected = model[a] < 0 ? "-" : "f" + std::to_string(model[a]);
        if (at(map, a) != expected) CHECK_EQ(at(map, a), expected);
      }
      testChecks++;
    }
  }
}

void perfMapOwners() {
  write("real.map", "1000 10 a\n");
  std::filesystem::create_symlink(directory + "/real.map", directory + "/link.map");
  CHECK(!PerfMap(getpid(), directory + "/link.map").Refresh());  // links are not followed
  CHECK_EQ(mkfifo((directory + "/fifo.map").c_str(), 0600), 0);
  CHECK(!PerfMap(getpid(), directory + "/fifo.map").Refresh());
  if (geteuid() == 0) {
    CHECK_EQ(chown((directory + "/real.map").c_str(), 12345, 12345), 0);
    CHECK(!PerfMap(getpid(), directory + "/real.map").Refresh());  // neither ours nor root's
  }
  std::string own = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  std::filesystem::remove(own);
  CHECK(!PerfMap::PathFor(getpid()).has_value());
  std::ofstream(own) << "1000 10 a\n";
  CHECK_EQ(PerfMap::PathFor(getpid()).value_or(""), "/proc/" + std::to_string(getpid()) + "/root" + own);
  const uint64_t nowNs = static_cast<uint64_t>(time(nullptr)) * 1'000'000'000u;
  CHECK(PerfMap::PathFor(getpid(), nowNs).has_value());
  CHECK(!PerfMap::PathFor(getpid(), nowNs + 60'000'000'000).has_value());  // of an earlier process with this pid
  PerfMap map(getpid(), PerfMap::PathFor(getpid()).value_or(""));
  CHECK(map.Refresh());
  std::filesystem::remove(own);
}

void perfMapNoise() {
  std::mt19937 random(11);
  for (int round = 0; round < 2'000; round++) {
    std::string text;
    for (size_t n = random() % 400; n > 0; n--) text += "0123456789abcdefx \n:JS*py\xff"[random() % 26];
    PerfMap map(getpid(), write("perf-5.map", text));
    map.Refresh();
    at(map, random());
  }
  testChecks++;
}

constexpr const char* kKallsyms =
    "0000000000000000 A fixed_percpu_data\n"
    "ffffffff81000000 T _stext\n"
    "ffffffff81000000 T _text\n"
    "ffffffff81000000 t alias_of_first\n"
    "ffffffff81000100 T do_work\n"
    "ffffffff81000100 W __do_work\n"
    "ffffffff81000200 d not_code\n"
    "ffffffff81000300 t tail_fn\n"
    "ffffffff81001000 T _etext\n"
    "ffffffffc0000000 t mod_init\t[demo]\n"
    "ffffffffc0000040 t mod_work\t[demo]\n"
    "ffffffffc0010000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n"
    "broken line\n";

void kernelSymbols() {
  std::string modules = write("modules", "demo 16384 1 - Live 0xffffffffc0000000\n");
  KernelSymbols kernel;
  CHECK(kernel.Load(write("kallsyms", kKallsyms).c_str(), modules.c_str()));
  std::string_view name;
  std::string_view module;
  uint64_t start = 0;
  auto text = [&](uint64_t address) {
    return kernel.Lookup(address, &name, &module, &start) ? std::string(module) + "!" + std::string(name)
                                                          : std::string("-");
  };
  CHECK_EQ(text(0xffffffff80ffffff), "-");
  CHECK_EQ(text(0xffffffff81000000), "vmlinux!_text");
  CHECK_EQ(text(0xffffffff81000180), "vmlinux!do_work");
  CHECK_EQ(start, 0xffffffff81000100);
  CHECK_EQ(text(0xffffffff81000280), "vmlinux!do_work");
  CHECK_EQ(text(0xffffffff81000fff), "vmlinux!tail_fn");
  CHECK_EQ(text(0xffffffff90000000), "-");  // the gap before the modules is nobody's
  CHECK_EQ(text(0xffffffffc0000050), "demo!mod_work");
  CHECK_EQ(text(0xffffffffc0003fff), "demo!mod_work");
  CHECK_EQ(text(0xffffffffc0004000), "-");
  CHECK_EQ(text(0xffffffffc0010010), "bpf!bpf_prog_6deef7357e7b4530_sample");
  CHECK_EQ(kernel.moduleStart("vmlinux"), 0xffffffff81000000);
  CHECK_EQ(kernel.moduleLimit("vmlinux"), 0xffffffff81001000);
  CHECK_EQ(kernel.moduleStart("demo"), 0xffffffffc0000000);
  CHECK_EQ(kernel.moduleLimit("demo"), 0xffffffffc0004000);
  CHECK_EQ(kernel.moduleStart("none"), 0u);

  CHECK(!kernel.Load(write("hidden", "0000000000000000 T _text\n0000000000000000 t f\n").c_str(), ""));
  CHECK(kernel.restricted());
  CHECK(kernel.error().find("CAP_SYSLOG") != std::string::npos);
  CHECK_EQ(text(0xffffffff81000180), "vmlinux!do_work");  // the table before stays
  CHECK(!kernel.Load("/nonexistent", ""));
  CHECK(!kernel.restricted());
  CHECK_EQ(KernelSymbols::BuildId("../../etc"), "");
}

void debugFiles() {
  std::string root = directory + "/root";
  std::filesystem::create_directories(root + "/usr/lib/debug/.build-id/ab");
  std::filesystem::create_directories(root + "/opt/app/.debug");
  std::ofstream(root + "/usr/lib/debug/.build-id/ab/cdef.debug") << "x";
  std::ofstream(root + "/opt/app/.debug/app.debug") << "x";
  CHECK_EQ(FindDebugFile("abcdef", "", "", root), root + "/usr/lib/debug/.build-id/ab/cdef.debug");
  CHECK_EQ(FindDebugFile("abcd00", "app.debug", "/opt/app", root), root + "/opt/app/.debug/app.debug");
  CHECK_EQ(FindDebugFile("", "../app/.debug/app.debug", "/opt/app", root), "");
  CHECK_EQ(FindDebugFile("../../x", "", "", root), "");
  CHECK_EQ(FindDebugFile("", "absent", "/opt/app", root), "");
}

}  // namespace

int main() {
  char pattern[] = "/tmp/symbols_maps_test_XXXXXX";
  directory = mkdtemp(pattern);
  perfMapNames();
  perfMapFiles();
  perfMapAgainstModel();
  perfMapOwners();
  perfMapNoise();
  kernelSymbols();
  debugFiles();
  std::filesystem::remove_all(directory);
  return testResult("symbols_maps_test");
}
