// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../elf/elf_file.h"

/// Names for addresses. No function here throws to its caller; all strings handed out are valid UTF-8.
/// Objects are immutable after loading (PerfMap and KernelSymbols change only in Refresh and Load), so
/// const members may be called from several threads at once.
namespace otelprof {

/// Values of `location_frame_type` in the profile block.
enum class FrameKind : uint8_t {
  Unset = 0,
  Native = 1,
  Kernel = 2,
  Go = 3,
  CPython = 4,
  V8Js = 5,
  Jvm = 6,
  AbortMarker = 7,
  Unknown = 8,
};

/// One source-level frame. An address yields several where functions were inlined, innermost first.
struct ResolvedFrame {
  std::string name;        // for people: demangled
  std::string systemName;  // linker name where it differs from `name`, else ""
  std::string file;
  uint32_t line = 0;  // 0 = unknown
  uint32_t column = 0;
  uint32_t startLine = 0;  // line of the function's declaration
};

// --- demangling ----------------------------------------------------------------------------------

/// none: the linker name. simplified: no parameters, no template arguments, no return type.
/// templates: as simplified, template arguments kept. full: everything.
/// Clone suffixes (.constprop.0, .part.1, .isra.0, .cold, .llvm.123 …) are dropped from `simplified`,
/// `templates` and `full`; they stay in `systemName`.
enum class DemangleMode : uint8_t { None, Simplified, Templates, Full };

/// "none", "simplified", "templates", "full"; nullopt for anything else.
std::optional<DemangleMode> ParseDemangleMode(std::string_view text);

inline constexpr size_t kMaxMangledBytes = 16 * 1024;
inline constexpr size_t kMaxDemangledBytes = 8 * 1024;

/// C++ (Itanium), Rust legacy and Rust v0 names in clear text; anything else comes back as it is.
/// Work is bounded: recursion, steps and output have caps; a name that exceeds them comes back mangled.
std::string Demangle(std::string_view mangled, DemangleMode mode);

/// `text` with every invalid UTF-8 sequence replaced by U+FFFD, cut at `maxBytes` on a character border.
std::string ValidUtf8(std::string_view text, size_t maxBytes = kMaxDemangledBytes);

// --- files ---------------------------------------------------------------------------------------

enum class SymbolSource : uint8_t { None, Symtab, Dynsym, GoPclntab, MiniDebug };

class SymbolCache;

/// The functions of one ELF file. Keeps copies only: the ElfFile may go after Load.
class FileSymbols {
 public:
  /// Never nullptr; a file without symbols gives an object whose source() is None.
  /// `debug` is a separate debug file of the same build id, or nullptr. With a cache the table comes from there,
  /// or goes there; Go's own table is sorted as it is and never does.
  static std::unique_ptr<FileSymbols> Load(const ElfFile& image, DemangleMode mode, const ElfFile* debug = nullptr,
                                           SymbolCache* cache = nullptr);
  ~FileSymbols();
  FileSymbols(const FileSymbols&) = delete;
  FileSymbols& operator=(const FileSymbols&) = delete;

  /// Replaces *out with the frames at ELF virtual address `elfVa` (the caller has subtracted 1 from
  /// return addresses), innermost inlined function first. False, and an empty *out, if no symbol covers it.
  bool Lookup(uint64_t elfVa, std::vector<ResolvedFrame>* out) const;

  /// Address range of the function at `elfVa`, named or not; size 0 if none is known.
  struct Range {
    uint64_t start = 0;
    uint64_t size = 0;
  };
  Range FunctionAt(uint64_t elfVa) const;

  SymbolSource source() const;  // the best one used
  bool isGo() const;            // frames of this file have FrameKind::Go where goOwns(address)
  bool goOwns(uint64_t elfVa) const;
  size_t symbolCount() const;
  size_t sizeBytes() const;    // heap bytes held
  size_t mappedBytes() const;  // of a file of the cache

 private:
  FileSymbols();
  void Build(const ElfFile& image, const ElfFile* debug);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Path of the separate debug file, or "": first /usr/lib/debug/.build-id/xx/yyyy.debug, then the
/// .gnu_debuglink name in `dir`, `dir`/.debug and /usr/lib/debug/`dir`. Every path is searched below
/// `rootPrefix` ("" or "/proc/PID/root"). A debuglink with a slash is refused. The caller opens the
/// file and must check that its build id is `buildId` (see OpenDebugFile).
std::string FindDebugFile(std::string_view buildId, std::string_view debuglink, std::string_view dir,
                          std::string_view rootPrefix);

/// FindDebugFile + open + the check that build ids agree (or the debuglink CRC where there is none).
std::unique_ptr<ElfFile> OpenDebugFile(const ElfFile& image, std::string_view dir,
                                       std::string_view rootPrefix);

/// The file at `path` if it is a debug file of `image`: same machine and GNU build id. nullptr otherwise.
std::unique_ptr<ElfFile> OpenDebugFileAt(const ElfFile& image, const std::string& path);

// --- kernel --------------------------------------------------------------------------------------

/// Text symbols of the running kernel, its modules and its BPF programs (module "bpf").
class KernelSymbols {
 public:
  KernelSymbols();
  ~KernelSymbols();
  KernelSymbols(const KernelSymbols&) = delete;
  KernelSymbols& operator=(const KernelSymbols&) = delete;

  /// Replaces the table. False with error() set when the file cannot be read or its addresses are
  /// hidden; the previous table stays then. Costs tens of ms: the caller limits how often.
  bool Load(const char* path = "/proc/kallsyms", const char* modulesPath = "/proc/modules");

  /// `symbolStart` may be nullptr. The views live until the next Load. `module` is "vmlinux" for the
  /// kernel itself, "bpf" for BPF programs, else the module's name.
  bool Lookup(uint64_t addr, std::string_view* name, std::string_view* module,
              uint64_t* symbolStart) const;

  /// Range of "vmlinux" (_stext to _etext) or of a module; 0 if unknown.
  uint64_t moduleStart(std::string_view module) const;
  uint64_t moduleLimit(std::string_view module) const;
  /// GNU build id, hex, of "vmlinux" (/sys/kernel/notes) or a module (/sys/module/…); "" if unknown.
  static std::string BuildId(std::string_view module);

  bool restricted() const;  // kptr_restrict hides addresses: the process needs CAP_SYSLOG
  const std::string& error() const;
  size_t symbolCount() const;
  size_t sizeBytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// --- JIT maps ------------------------------------------------------------------------------------

/// The perf map a process writes: one line `hexstart hexsize name` per piece of generated code.
class PerfMap {
 public:
  struct Limits {
    size_t maxFileBytes = 64u << 20;     // read from the file in the object's life
    size_t maxRefreshBytes = 16u << 20;  // read by one Refresh
    size_t maxEntries = 1u << 20;
  };

  /// /proc/PID/root/tmp/perf-N.map with N the innermost pid, else /tmp/perf-PID.map; nullopt if
  /// neither is a regular file owned by the process's effective uid (or root), written since `notBeforeUnixNs`:
  /// before the process began it was another one's.
  static std::optional<std::string> PathFor(int pid, uint64_t notBeforeUnixNs = 0);

  PerfMap(int pid, std::string path);
  PerfMap(int pid, std::string path, Limits limits);
  ~PerfMap();
  PerfMap(const PerfMap&) = delete;
  PerfMap& operator=(const PerfMap&) = delete;

  /// Reads what was appended since the last call. True if entries were added. A file that shrank or
  /// was replaced starts anew.
  bool Refresh();

  /// The last entry written for an address wins. `systemName` keeps the map's text.
  bool Lookup(uint64_t pc, ResolvedFrame* out, FrameKind* kind) const;

  bool truncated() const;  // a limit was met; later entries are missing
  size_t entryCount() const;
  size_t sizeBytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One name of a perf map taken apart. Node: `JS:*name file:line:col` (`~` interpreted, `^` baseline,
/// `+` Maglev, `*` TurboFan) is v8js; `Builtin:X`, `BytecodeHandler:X`, `Stub:X`, `RegExp:X` and
/// `LazyCompile:`/`Function:`/`Script:`/`Eval:` likewise — V8's own machine code keeps its prefix in the
/// name so that it stays apart from user functions. CPython: `py::name:file` is cpython. HotSpot names
/// carry no mark: they come back as Unknown with the plain name unless `jvm` is set.
FrameKind ParsePerfMapName(std::string_view text, bool jvm, ResolvedFrame* out);

}  // namespace otelprof
