// SPDX-License-Identifier: Apache-2.0
#include "line_program.h"

#include <algorithm>
#include <array>

#include "constants.h"

namespace otelprof {
namespace {

constexpr uint64_t kMaxProgramBytes = 64ull << 20;
constexpr size_t kMaxRows = 4'000'000;
constexpr size_t kMaxFiles = 100'000;
constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxPathsBytes = 32u << 20;

std::string Join(std::string_view directory, std::string_view name) {
  std::string path;
  if (!name.starts_with('/') && !directory.empty()) path.append(directory).append("/");
  path.append(name);
  if (path.size() > kMaxPathBytes) path.resize(kMaxPathBytes);
  return path;
}

struct Sequence {
  size_t first;
  size_t end;  // behind the row that ends it
  uint64_t low;
};

/// The state machine and the tables of one program.
class Runner {
 public:
  Runner(DwarfReader* dwarf, const DwarfUnit& unit, LineProgram* out) : dwarf_(*dwarf), unit_(unit), out_(*out) {}

  bool Run() {
    const uint64_t size = dwarf_.sections().Size(DwarfSections::Line);
    const uint64_t start = *unit_.stmtList;
    if (start >= size) return Fail();
    ByteReader head(dwarf_.sections().Read(DwarfSections::Line, start, std::min<uint64_t>(12, size - start)));
    uint64_t length = head.Read<uint32_t>();
    header_ = unit_;
    header_.dwarf64 = length == 0xffffffff;
    if (header_.dwarf64) length = head.Read<uint64_t>();
    if (!head.ok() || length > size - start - head.position()) return Fail();
    if (length > kMaxProgramBytes) return dwarf_.sections().errors().overLimit++, false;
    base_ = start + head.position();
    ByteReader reader(dwarf_.sections().Read(DwarfSections::Line, base_, length));
    if (!ReadHeader(&reader)) return Fail();
    Execute(&reader);
    Arrange();
    return true;
  }

 private:
  bool Fail() {
    dwarf_.sections().errors().malformed++;
    return false;
  }
  bool ReadHeader(ByteReader* reader);
  bool ReadFilesV4(ByteReader* reader);
  bool ReadEntriesV5(ByteReader* reader, bool directories);
  void AddFile(std::string_view name, uint64_t directory);
  void Execute(ByteReader* reader);
  bool Extended(ByteReader* reader);
  void Standard(uint8_t opcode, ByteReader* reader);
  void Emit(bool end);
  void Advance(uint64_t operations) {
    if (maxOperations_ <= 1) {
      address_ += operations * minInstruction_;
    } else {
      address_ += (opIndex_ + operations) / maxOperations_ * minInstruction_;
      opIndex_ = (opIndex_ + operations) % maxOperations_;
    }
  }
  void Reset() {
    address_ = opIndex_ = 0;
    file_ = line_ = 1;
    first_ = out_.rows.size();
  }
  void Arrange();

  DwarfReader& dwarf_;
  const DwarfUnit& unit_;
  LineProgram& out_;
  DwarfUnit header_;  // for forms: this program's offset size and version
  uint64_t base_ = 0;

  uint16_t version_ = 0;
  uint8_t minInstruction_ = 1, maxOperations_ = 1, lineRange_ = 1, opcodeBase_ = 1;
  int8_t lineBase_ = 0;
  std::array<uint8_t, 256> operands_{};
  std::vector<std::string> directories_;
  size_t pathBytes_ = 0;

  uint64_t address_ = 0, opIndex_ = 0, file_ = 1, line_ = 1;
  size_t first_ = 0;  // row of the sequence at hand
  std::vector<Sequence> sequences_;
};

bool Runner::ReadHeader(ByteReader* reader) {
  version_ = reader->Read<uint16_t>();
  if (version_ < 2 || version_ > 5) return false;
  header_.version = version_;
  if (version_ >= 5) {
    header_.addressSize = reader->Read<uint8_t>();
    if (reader->Read<uint8_t>() != 0 || (header_.addressSize != 8 && header_.addressSize != 4)) return false;
  }
  const uint64_t length = header_.dwarf64 ? reader->Read<uint64_t>() : reader->Read<uint32_t>();
  if (length > reader->remaining()) return false;
  const size_t programAt = reader->position() + length;
  minInstruction_ = reader->Read<uint8_t>();
  if (version_ >= 4) maxOperations_ = reader->Read<uint8_t>();
  reader->Skip(1);  // default_is_stmt: every row counts, not only statements
  lineBase_ = static_cast<int8_t>(reader->Read<uint8_t>());
  lineRange_ = reader->Read<uint8_t>();
  opcodeBase_ = reader->Read<uint8_t>();
  if (!reader->ok() || lineRange_ == 0 || opcodeBase_ == 0 || maxOperations_ == 0) return false;
  for (size_t i = 1; i < opcodeBase_; i++) operands_[i] = reader->Read<uint8_t>();
  if (version_ >= 5 ? !(ReadEntriesV5(reader, true) && ReadEntriesV5(reader, false)) : !ReadFilesV4(reader))
    return false;
  if (!reader->ok() || reader->position() > programAt) return false;
  reader->Skip(programAt - reader->position());
  return true;
}

void Runner::AddFile(std::string_view name, uint64_t directory) {
  std::string_view prefix;
  if (directory < directories_.size()) prefix = directories_[directory];
  out_.files.push_back(pathBytes_ < kMaxPathsBytes ? Join(prefix, name) : std::string());
  pathBytes_ += out_.files.back().size();
}

bool Runner::ReadFilesV4(ByteReader* reader) {
  const std::string_view compDir = dwarf_.Text(unit_, unit_.compDir);
  directories_.emplace_back(compDir);
  while (reader->ok()) {
    const auto name = reader->CString();
    if (name.empty()) break;
    if (directories_.size() >= kMaxFiles || pathBytes_ > kMaxPathsBytes) return false;
    directories_.push_back(Join(compDir, name));
    pathBytes_ += directories_.back().size();
  }
  out_.files.emplace_back();  // numbers start at 1
  while (reader->ok()) {
    const auto name = reader->CString();
    if (name.empty()) break;
    if (out_.files.size() >= kMaxFiles) return false;
    const uint64_t directory = reader->Uleb();
    reader->Uleb();
    reader->Uleb();
    AddFile(name, directory);
  }
  return reader->ok();
}

bool Runner::ReadEntriesV5(ByteReader* reader, bool directories) {
  std::vector<std::pair<uint64_t, uint16_t>> format(reader->Read<uint8_t>());
  for (auto& [content, form] : format) {
    content = reader->Uleb();
    form = static_cast<uint16_t>(std::min<uint64_t>(reader->Uleb(), UINT16_MAX));
  }
  const uint64_t count = reader->Uleb();
  // An entry without bytes could repeat for ever.
  if (!reader->ok() || count > kMaxFiles || (format.empty() && count > 0)) return false;
  const std::string compDir(dwarf_.Text(unit_, unit_.compDir));
  for (uint64_t i = 0; i < count; i++) {
    std::string_view name;
    uint64_t directory = 0;
    for (const auto& [content, form] : format) {
      DwarfValue value;
      const size_t at = reader->position();
      if (form == dw::kFormString) {
        name = content == dw::kLnctPath ? reader->CString() : (reader->CString(), name);
        continue;
      }
      if (!DwarfReader::ReadForm(header_, at, reader, form, 0, &value)) return false;
      if (content == dw::kLnctPath) name = dwarf_.Text(header_, value);
      if (content == dw::kLnctDirectoryIndex) directory = value.value;
    }
    if (!directories) {
      AddFile(name, directory);
      continue;
    }
    if (pathBytes_ > kMaxPathsBytes) return false;
    // Directory 0 is the compilation's; others are relative to it.
    directories_.push_back(Join(compDir, name));
    pathBytes_ += directories_.back().size();
  }
  return reader->ok();
}

void Runner::Emit(bool end) {
  const uint32_t line = static_cast<uint32_t>(std::min<uint64_t>(line_, INT32_MAX));
  // Arithmetic modulo 2^64 makes a negative line a huge one.
  const bool known = file_ < out_.files.size() && !end;
  const uint32_t file = known ? static_cast<uint32_t>(file_) : LineProgram::kNoFile;
  const uint32_t shown = line_ > INT32_MAX ? 0 : line;
  auto& rows = out_.rows;
  if (rows.size() > first_) {
    LineProgram::Row& last = rows.back();
    if (address_ < last.address) return;  // only VLIW targets may go back; hostile ones do
    if (address_ == last.address) {
      last.file = file, last.line = shown;  // the last of several rows for an address counts
    } else if (last.file != file || last.line != shown || end) {
      rows.push_back({address_, file, shown});
    }
  } else if (!end) {
    rows.push_back({address_, file, shown});
  }
  if (!end) return;
  const bool live = rows.size() > first_ + 1 && dwarf_.sections().IsCode(rows[first_].address);
  if (live) {
    sequences_.push_back({first_, rows.size(), rows[first_].address});
  } else {
    rows.resize(first_);
  }
}

bool Runner::Extended(ByteReader* reader) {
  const uint64_t length = reader->Uleb();
  ByteReader body(reader->Take(length));
  if (!reader->ok() || length == 0) return reader->ok();
  switch (body.Read<uint8_t>()) {
    case dw::kLneEndSequence:
      Emit(true);
      Reset();
      break;
    case dw::kLneSetAddress:
      address_ = body.remaining() >= 8 ? body.Read<uint64_t>() : body.Read<uint32_t>();
      opIndex_ = 0;
      break;
    case dw::kLneDefineFile: {
      const auto name = body.CString();
      const uint64_t directory = body.Uleb();
      if (out_.files.size() < kMaxFiles && body.ok()) AddFile(name, directory);
      break;
    }
    default: break;  // discriminators and vendors' own
  }
  return true;
}

void Runner::Standard(uint8_t opcode, ByteReader* reader) {
  switch (opcode) {
    case dw::kLnsCopy: Emit(false); break;
    case dw::kLnsAdvancePc: Advance(reader->Uleb()); break;
    case dw::kLnsAdvanceLine: line_ += static_cast<uint64_t>(reader->Sleb()); break;
    case dw::kLnsSetFile: file_ = reader->Uleb(); break;
    case dw::kLnsConstAddPc: Advance((255 - opcodeBase_) / lineRange_); break;
    case dw::kLnsFixedAdvancePc:
      address_ += reader->Read<uint16_t>();
      opIndex_ = 0;
      break;
    default:
      for (unsigned i = 0; i < operands_[opcode]; i++) reader->Uleb();
      break;
  }
}

void Runner::Execute(ByteReader* reader) {
  Reset();
  while (!reader->done()) {
    if (out_.rows.size() >= kMaxRows) {
      dwarf_.sections().errors().overLimit++;
      break;
    }
    const uint8_t opcode = reader->Read<uint8_t>();
    if (opcode >= opcodeBase_) {
      const unsigned adjusted = opcode - opcodeBase_;
      line_ += static_cast<uint64_t>(int64_t{lineBase_} + adjusted % lineRange_);
      Advance(adjusted / lineRange_);
      Emit(false);
    } else if (opcode == 0) {
      if (!Extended(reader)) break;
    } else {
      Standard(opcode, reader);
    }
  }
  if (!reader->ok()) dwarf_.sections().errors().malformed++;
  out_.rows.resize(first_);  // a sequence without an end covers nothing
}

/// Sequences in the order of their addresses; one that starts inside another goes.
void Runner::Arrange() {
  std::sort(sequences_.begin(), sequences_.end(),
            [](const Sequence& a, const Sequence& b) { return a.low < b.low; });
  std::vector<LineProgram::Row> sorted;
  sorted.reserve(out_.rows.size());
  for (const Sequence& sequence : sequences_) {
    if (!sorted.empty() && sequence.low < sorted.back().address) continue;
    if (!sorted.empty() && sequence.low == sorted.back().address) sorted.pop_back();
    sorted.insert(sorted.end(), out_.rows.begin() + static_cast<ptrdiff_t>(sequence.first),
                  out_.rows.begin() + static_cast<ptrdiff_t>(sequence.end));
  }
  out_.rows = std::move(sorted);
}

}  // namespace

bool LineProgram::Read(DwarfReader* reader, const DwarfUnit& unit) {
  return unit.stmtList && Runner(reader, unit, this).Run();
}

}  // namespace otelprof
