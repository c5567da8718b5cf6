// SPDX-License-Identifier: Apache-2.0
#include "unit_table.h"

#include <algorithm>
#include <unordered_map>

#include "constants.h"
#include "line_program.h"

namespace otelprof {
namespace {

constexpr size_t kMaxDepth = 512;       // of DIEs below each other
constexpr size_t kMaxNamed = 8'000'000; // DIEs that give or qualify a name
constexpr size_t kMaxScopes = 4'000'000;
constexpr size_t kMaxRanges = 4'000'000;
constexpr size_t kMaxTextBytes = 64u << 20;
constexpr size_t kMaxOriginHops = 16;   // a chain is two long in practice; a circle has no end
constexpr size_t kMaxQualifiers = 32;
constexpr size_t kMaxInlineDepth = 256;
constexpr uint32_t kLinkageBit = 1u << 31;
constexpr uint64_t kMaxDieBytes = 64 * 1024;

/// What is kept of a DIE that may give or qualify a name.
struct NamedDie {
  uint64_t offset;
  uint32_t parent;  // index, UINT32_MAX = the unit
  uint16_t tag;
  uint32_t declLine = 0;
  uint64_t origin = 0;  // abstract origin or specification, 0 = none
  DwarfValue name, linkageName;
};

struct Inlined {
  uint64_t callFile = 0, callLine = 0;
  DwarfValue low, high, ranges;
};

bool IsQualifier(uint16_t tag) {
  return tag == dw::kTagNamespace || tag == dw::kTagClass || tag == dw::kTagStructure || tag == dw::kTagUnion ||
         tag == dw::kTagEnumeration || tag == dw::kTagModule;
}

/// Reads one DIE's attributes; unknown ones are passed over.
bool ReadDie(const DwarfUnit& unit, const AbbrevTable::Entry& entry, ByteReader* reader, uint64_t readerBase,
             NamedDie* die, Inlined* code) {
  for (const auto& attribute : unit.abbrevs->attributes(entry)) {
    DwarfValue value;
    const int64_t constant = attribute.implicitIndex < 0 ? 0 : unit.abbrevs->constant(attribute.implicitIndex);
    if (!DwarfReader::ReadForm(unit, readerBase, reader, attribute.form, constant, &value)) return false;
    if (die == nullptr) continue;
    switch (attribute.name) {
      case dw::kAtName: die->name = value; break;
      case dw::kAtLinkageName:
      case dw::kAtMipsLinkageName: die->linkageName = value; break;
      case dw::kAtDeclLine: die->declLine = static_cast<uint32_t>(std::min<uint64_t>(value.value, INT32_MAX)); break;
      case dw::kAtAbstractOrigin:
      case dw::kAtSpecification:
        if (value.kind == DwarfValue::Kind::Reference) die->origin = value.value;
        break;
      case dw::kAtCallFile: code->callFile = value.value; break;
      case dw::kAtCallLine: code->callLine = value.value; break;
      case dw::kAtLowPc: code->low = value; break;
      case dw::kAtHighPc: code->high = value; break;
      case dw::kAtRanges: code->ranges = value; break;
      default: break;
    }
  }
  return true;
}

}  // namespace

class UnitTableBuilder {
 public:
  UnitTableBuilder(DwarfReader* reader, const DwarfUnit& unit, const UnitTable::UnitOf& unitOf)
      : reader_(*reader), unit_(unit), unitOf_(unitOf) {}

  std::unique_ptr<UnitTable> Build() {
    out_.reset(new UnitTable());
    out_->base_ = reader_.sections().codeStart();
    out_->texts_.push_back('\0');
    lines_.Read(&reader_, unit_);
    fileText_.assign(lines_.files.size(), UnitTable::kNone);
    AddRows();
    Walk();
    NameScopes();
    Paint();
    out_->rows_.shrink_to_fit();
    out_->texts_.shrink_to_fit();
    return std::move(out_);
  }

 private:
  struct Level {
    uint32_t named;  // innermost DIE of named_, kNone at the unit
    uint32_t scope;  // innermost function with code
  };
  struct Range {
    uint32_t low;
    uint32_t high;
    uint32_t scope;
  };
  struct Name {
    uint32_t text = 0;
    uint32_t startLine = 0;
  };

  uint32_t AddText(std::string_view text) {
    if (text.empty() || out_->texts_.size() + text.size() + 1 > kMaxTextBytes) return 0;
    const auto [it, isNew] = textAt_.try_emplace(std::string(text), static_cast<uint32_t>(out_->texts_.size()));
    if (isNew) out_->texts_.append(text).push_back('\0');
    return it->second;
  }
  uint32_t FileText(uint64_t file) {
    if (file >= fileText_.size()) return UnitTable::kNone;
    uint32_t& text = fileText_[file];
    if (text == UnitTable::kNone) text = AddText(lines_.files[file]);
    return text;
  }
  bool Delta(uint64_t address, uint32_t* delta) const {
    if (address < out_->base_ || address - out_->base_ >= UINT32_MAX) return false;
    *delta = static_cast<uint32_t>(address - out_->base_);
    return true;
  }

  void AddRows();
  void Walk();
  void AddScope(const Inlined& code, bool inlined, uint32_t parentScope, uint32_t named);
  void NameScopes();
  Name NameOf(uint32_t named);
  bool Foreign(uint64_t offset, NamedDie* die, const DwarfUnit** unit);
  std::string Qualified(const DwarfUnit& unit, const NamedDie& die);
  void Paint();

  DwarfReader& reader_;
  const DwarfUnit& unit_;
  const UnitTable::UnitOf& unitOf_;
  LineProgram lines_;
  std::vector<NamedDie> named_;  // by offset
  std::vector<uint32_t> scopeDie_;
  std::vector<Range> ranges_;
  std::vector<uint32_t> fileText_;
  std::unordered_map<std::string, uint32_t> textAt_;
  std::unordered_map<uint64_t, Name> nameByOrigin_;
  std::unique_ptr<UnitTable> out_;
};

void UnitTableBuilder::AddRows() {
  out_->rows_.reserve(lines_.rows.size());
  for (const auto& row : lines_.rows) {
    uint32_t delta;
    if (!Delta(row.address, &delta)) continue;
    out_->rows_.push_back({delta, row.file == LineProgram::kNoFile ? UnitTable::kNone : FileText(row.file), row.line});
  }
  lines_.rows = {};
}

void UnitTableBuilder::Walk() {
  auto& errors = reader_.sections().errors();
  const auto bytes = reader_.sections().Read(DwarfSections::Info, unit_.firstDie, unit_.end - unit_.firstDie);
  ByteReader reader(bytes);
  std::vector<Level> levels = {{UnitTable::kNone, UnitTable::kNone}};
  while (!reader.done()) {
    const uint64_t offset = unit_.firstDie + reader.position();
    const uint64_t code = reader.Uleb();
    if (code == 0) {
      if (levels.size() > 1) levels.pop_back();
      continue;
    }
    const auto* entry = unit_.abbrevs->Find(code);
    if (entry == nullptr) {
      errors.malformed++;
      return;
    }
    const bool function = entry->tag == dw::kTagSubprogram || entry->tag == dw::kTagInlinedSubroutine;
    const bool wanted = function || IsQualifier(entry->tag);
    NamedDie die{offset, levels.back().named, entry->tag, 0, 0, {}, {}};
    Inlined inlined;
    if (!ReadDie(unit_, *entry, &reader, unit_.firstDie, wanted ? &die : nullptr, &inlined)) {
      errors.malformed++;
      return;
    }
    Level level = levels.back();
    if (wanted) {
      if (named_.size() >= kMaxNamed || out_->scopes_.size() >= kMaxScopes || ranges_.size() >= kMaxRanges) {
        errors.overLimit++;
        return;
      }
      level.named = static_cast<uint32_t>(named_.size());
      named_.push_back(die);
    }
    if (function) {
      const size_t before = out_->scopes_.size();
      AddScope(inlined, entry->tag == dw::kTagInlinedSubroutine, level.scope, level.named);
      if (out_->scopes_.size() > before) level.scope = static_cast<uint32_t>(before);
    }
    if (!entry->hasChildren) continue;
    if (levels.size() >= kMaxDepth) {
      errors.overLimit++;
      return;
    }
    levels.push_back(level);
  }
}

void UnitTableBuilder::AddScope(const Inlined& code, bool inlined, uint32_t parentScope, uint32_t named) {
  std::vector<AddressRange> ranges;
  reader_.Ranges(unit_, code.low, code.high, code.ranges, &ranges);
  if (ranges.empty()) return;
  const auto scope = static_cast<uint32_t>(out_->scopes_.size());
  UnitTable::Scope made{UnitTable::kNone, 0, UnitTable::kNone, 0, 0};
  if (inlined && parentScope != UnitTable::kNone) {
    made.caller = parentScope;
    made.callFile = FileText(code.callFile);
    made.callLine = code.callLine > INT32_MAX ? 0 : static_cast<uint32_t>(code.callLine);
  }
  for (const AddressRange& range : ranges) {
    uint32_t low, high;
    if (Delta(range.low, &low) && Delta(range.high, &high)) ranges_.push_back({low, high, scope});
  }
  out_->scopes_.push_back(made);
  scopeDie_.push_back(named);
}

/// A DIE of another unit, read on its own.
bool UnitTableBuilder::Foreign(uint64_t offset, NamedDie* die, const DwarfUnit** unit) {
  *unit = unitOf_(offset);
  if (*unit == nullptr || !(*unit)->abbrevs || offset < (*unit)->firstDie || offset >= (*unit)->end) return false;
  const auto bytes = reader_.sections().Read(DwarfSections::Info, offset, std::min((*unit)->end - offset, kMaxDieBytes));
  ByteReader reader(bytes);
  const auto* entry = (*unit)->abbrevs->Find(reader.Uleb());
  Inlined unused;
  *die = NamedDie{offset, UnitTable::kNone, 0, 0, 0, {}, {}};
  return entry != nullptr && ReadDie(**unit, *entry, &reader, offset, die, &unused);
}

std::string UnitTableBuilder::Qualified(const DwarfUnit& unit, const NamedDie& die) {
  std::string name(reader_.Text(unit, die.name));
  uint32_t parent = die.parent;
  for (size_t i = 0; i < kMaxQualifiers && parent != UnitTable::kNone && !name.empty(); i++) {
    const NamedDie& scope = named_[parent];
    parent = scope.parent;
    // Functions qualify what is declared in them (lambdas, local classes) only through their linker name.
    if (!IsQualifier(scope.tag)) continue;
    std::string_view text = reader_.Text(unit, scope.name);
    if (text.empty()) {
      if (scope.tag != dw::kTagNamespace) continue;
      text = "(anonymous namespace)";
    }
    name.insert(0, "::").insert(0, text);
    if (name.size() > kMaxDieBytes) break;
  }
  return name;
}

UnitTableBuilder::Name UnitTableBuilder::NameOf(uint32_t named) {
  NamedDie die = named_[named];
  const uint64_t key = die.origin != 0 ? die.origin : die.offset;
  const auto known = nameByOrigin_.find(key);
  if (known != nameByOrigin_.end()) return known->second;
  Name out;
  std::string plain;
  const DwarfUnit* unit = &unit_;
  for (size_t hop = 0; hop < kMaxOriginHops; hop++) {
    if (out.startLine == 0) out.startLine = die.declLine;
    const auto linkage = reader_.Text(*unit, die.linkageName);
    if (!linkage.empty()) {
      out.text = AddText(linkage);
      if (out.text != 0) out.text |= kLinkageBit;
      break;
    }
    // The innermost DIE of the chain stands in the class or namespace.
    if (die.name.kind != DwarfValue::Kind::None) plain = Qualified(*unit, die);
    if (die.origin == 0) break;
    const uint64_t next = die.origin;
    const auto it = std::lower_bound(named_.begin(), named_.end(), next,
                                     [](const NamedDie& d, uint64_t offset) { return d.offset < offset; });
    if (it != named_.end() && it->offset == next) {
      die = *it;
      unit = &unit_;
    } else if (!Foreign(next, &die, &unit)) {
      reader_.sections().errors().malformed++;
      break;
    }
    if (hop + 1 == kMaxOriginHops) reader_.sections().errors().malformed++;  // a circle
  }
  if (out.text == 0) out.text = AddText(plain);
  nameByOrigin_.emplace(key, out);
  return out;
}

void UnitTableBuilder::NameScopes() {
  for (size_t i = 0; i < out_->scopes_.size(); i++) {
    const Name name = NameOf(scopeDie_[i]);
    out_->scopes_[i].name = name.text;
    out_->scopes_[i].startLine = name.startLine;
  }
}

/// Turns nested ranges into segments side by side, the innermost scope on top.
void UnitTableBuilder::Paint() {
  // Scopes are numbered in the order of DIEs, so a caller comes before what is inlined into it.
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
    return a.low != b.low ? a.low < b.low : a.scope < b.scope;
  });
  auto& segments = out_->segments_;
  std::vector<std::pair<uint32_t, uint32_t>> open;  // end, scope
  const auto put = [&](uint32_t delta, uint32_t scope) {
    if (!segments.empty() && segments.back().delta == delta) segments.pop_back();
    if (segments.empty() || segments.back().scope != scope) segments.push_back({delta, scope});
  };
  const auto closeUpTo = [&](uint64_t delta) {
    while (!open.empty() && open.back().first <= delta) {
      const uint32_t end = open.back().first;
      open.pop_back();
      put(end, open.empty() ? UnitTable::kNone : open.back().second);
    }
  };
  for (const Range& range : ranges_) {
    closeUpTo(range.low);
    const uint32_t end = open.empty() ? range.high : std::min(range.high, open.back().first);
    open.push_back({end, range.scope});
    put(range.low, range.scope);
  }
  closeUpTo(UINT64_MAX);
  segments.shrink_to_fit();
}

std::unique_ptr<UnitTable> UnitTable::Build(DwarfReader* reader, const DwarfUnit& unit, const UnitOf& unitOf) {
  return UnitTableBuilder(reader, unit, unitOf).Build();
}

bool UnitTable::Lookup(uint64_t address, std::vector<SourceFrame>* out) const {
  if (address < base_ || address - base_ >= UINT32_MAX) return false;
  const auto delta = static_cast<uint32_t>(address - base_);
  const auto before = [delta](const auto& rows) {
    auto it = std::upper_bound(rows.begin(), rows.end(), delta, [](uint32_t d, const auto& row) { return d < row.delta; });
    return it == rows.begin() ? nullptr : &*--it;
  };
  SourceFrame frame;
  const Row* row = before(rows_);
  if (row != nullptr && row->file != kNone) {
    frame.file = TextAt(row->file);
    frame.line = row->line;
  }
  const Segment* segment = before(segments_);
  uint32_t at = segment == nullptr ? kNone : segment->scope;
  if (at == kNone && frame.file.empty()) return false;
  for (size_t depth = 0; at != kNone && depth < kMaxInlineDepth; depth++) {
    const Scope& scope = scopes_[at];
    frame.name = TextAt(scope.name & ~kLinkageBit);
    frame.linkage = (scope.name & kLinkageBit) != 0;
    frame.startLine = scope.startLine;
    at = scope.caller;
    if (at == kNone) break;
    out->push_back(frame);
    frame = SourceFrame{};
    if (scope.callFile != kNone) frame.file = TextAt(scope.callFile);
    frame.line = scope.callLine;
  }
  out->push_back(frame);
  return true;
}

size_t UnitTable::sizeBytes() const {
  return sizeof(*this) + rows_.capacity() * sizeof(Row) + segments_.capacity() * sizeof(Segment) +
         scopes_.capacity() * sizeof(Scope) + texts_.capacity();
}

}  // namespace otelprof
