// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../unique_fd.h"
#include "symbols.h"

namespace otelprof {

/// A jitdump file (linux/tools/perf/Documentation/jitdump-specification.txt): generated code with its time and, where
/// the program writes them, its source lines. Read as it grows; the machine code in it is passed over. The file is
/// hostile: what does not fit together ends the reading.
class JitDump {
 public:
  struct Limits {
    uint64_t maxFileBytes = 1u << 30;
    size_t maxRefreshRecords = 1u << 18;
    size_t maxEntries = 1u << 18;
    size_t maxBytes = 64u << 20;  // of names and lines
    size_t maxReplaced = 8192;    // pieces of code kept after others took their place
  };

  /// The file that a process maps, as perf finds it: an executable mapping of `jit-N.dump`, owned by the process's
  /// effective user or root, below the process's own root. nullptr if there is none that begins as one; *malformed is
  /// set where one begins as something else.
  static std::unique_ptr<JitDump> Find(int pid, bool* malformed);
  /// nullptr if it is no such file; *malformed is set unless its header is still to be written.
  static std::unique_ptr<JitDump> Open(UniqueFd fd, Limits limits, bool* malformed);

  /// Reads what was appended since the last call. The descriptor is kept: the process may have ended.
  void Refresh();

  /// The code that was at `pc` at `timeNs` (CLOCK_BOOTTIME), with the line where it is known.
  bool Lookup(uint64_t pc, uint64_t timeNs, ResolvedFrame* out, FrameKind* kind) const;
  /// Number of the code at `pc` at that time, never used again; 0 if there is none.
  uint64_t CodeAt(uint64_t pc, uint64_t timeNs) const;

  size_t entryCount() const { return live_.size() + replaced_.size(); }
  bool truncated() const { return truncated_; }  // a limit was met: what is behind is not read
  bool malformed() const { return malformed_; }  // what is behind the place is not read

 private:
  struct Line {
    uint64_t address;
    uint32_t line;
    uint32_t file;  // offset into text_
  };
  struct Code {
    uint64_t id;
    uint64_t start;
    uint64_t end;
    uint64_t sinceNs;  // in the file's own clock
    uint64_t untilNs;
    uint32_t name;  // offset into text_
    std::vector<Line> lines;
  };

  JitDump(UniqueFd fd, Limits limits) : fd_(std::move(fd)), limits_(limits) {}
  bool ReadHeader(bool* malformed);
  /// False where nothing more can be read for now; with truncated_ or malformed_ for good.
  bool ReadRecord(uint64_t fileBytes);
  void ReadLoad(std::string_view body, uint64_t timeNs);
  void ReadMove(std::string_view body, uint64_t timeNs);
  void ReadLines(std::string_view body);
  void Place(Code code);
  uint32_t Keep(std::string_view text);
  const Code* Find(uint64_t pc, uint64_t timeNs) const;

  UniqueFd fd_;
  const Limits limits_;
  uint64_t offset_ = 0;
  uint64_t nextId_ = 1;
  bool truncated_ = false;
  bool malformed_ = false;
  bool ownClock_ = false;      // times are the processor's, which say nothing to us
  uint64_t bootAheadNs_ = 0;   // CLOCK_BOOTTIME − CLOCK_MONOTONIC
  std::map<uint64_t, Code> live_;  // by start; disjoint
  std::deque<Code> replaced_;      // oldest first
  size_t bytes_ = 0;
  std::string text_{'\0'};  // zero-terminated pieces
  std::map<std::string, uint32_t, std::less<>> files_;
  uint64_t linesFor_ = 0;  // start of the code that the lines read last are for
  std::vector<Line> lines_;
};

}  // namespace otelprof
