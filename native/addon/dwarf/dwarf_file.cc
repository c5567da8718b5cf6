// SPDX-License-Identifier: Apache-2.0
#include "dwarf_file.h"

#include <algorithm>
#include <atomic>

#include "constants.h"

namespace otelprof {
namespace {

constexpr size_t kMaxUnits = 1'000'000;
constexpr size_t kMaxIndexRanges = 4'000'000;
constexpr uint64_t kMaxArangesBytes = 64ull << 20;
constexpr size_t kMaxImageBytes = 64u << 20;  // held of a file while it is read
constexpr size_t kMaxForeignUnits = 256;
constexpr uint64_t kMaxGap = 32;  // alignment between functions of one unit

/// Counts lookups, not time: enough to tell what was used last, and free.
std::atomic<uint64_t> useClock{0};

struct IndexRange {
  uint32_t low;
  uint32_t high;
  uint32_t unit;  // index into the unit offsets
};

/// Sorted and without overlaps. Every unit that uses a template or inline function claims the one copy that
/// the linker kept; the first has it.
std::vector<IndexRange> SideBySide(std::vector<IndexRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const IndexRange& a, const IndexRange& b) {
    return a.low != b.low ? a.low < b.low : a.unit < b.unit;
  });
  std::vector<IndexRange> out;
  uint32_t end = 0;
  for (const IndexRange& range : ranges) {
    if (range.high <= end) continue;
    const uint32_t low = std::max(range.low, end);
    end = range.high;
    if (!out.empty() && out.back().unit == range.unit && low - out.back().high <= kMaxGap) {
      out.back().high = end;
    } else {
      out.push_back({low, end, range.unit});
    }
  }
  out.shrink_to_fit();
  return out;
}

}  // namespace

struct DwarfFile::Impl {
  struct Loaded {
    std::shared_ptr<const UnitTable> table;
    mutable std::atomic<uint64_t> lastUse{0};
  };

  std::unique_ptr<ElfFile> elf;  // to open the sections again; its own copies stay small
  DwarfErrors* errors = nullptr;
  std::unique_ptr<UnpackedSections> kept;
  std::unique_ptr<DwarfSections> sections;  // while loading
  std::unique_ptr<DwarfReader> reader;
  std::map<uint64_t, std::unique_ptr<DwarfUnit>> foreign;  // units that others refer to, while loading
  bool walked = false;  // all unit headers are known, not only what .debug_aranges lists
  bool dead = false;

  mutable std::mutex mutex;  // below
  uint64_t base = 0;
  bool indexed = false;
  std::vector<IndexRange> index;
  std::vector<uint64_t> units;  // offsets in .debug_info, ascending once walked
  std::map<uint32_t, Loaded> loaded;
  /// Addresses that no unit covers, after the walk.
  bool complete = false;

  bool Wake();
  void IndexAranges();
  void IndexUnits();
  void Publish(std::vector<IndexRange> ranges, std::vector<uint64_t> offsets, bool all);
  void Add(uint64_t low, uint64_t high, uint32_t unit, std::vector<IndexRange>* out) const;
  const IndexRange* RangeAt(uint64_t address) const;
  const DwarfUnit* UnitOf(uint64_t dieOffset);
  size_t bytes() const {
    size_t sum = elf->residentBytes() + index.capacity() * sizeof(IndexRange) + units.capacity() * sizeof(uint64_t);
    for (const auto& [unit, entry] : loaded) sum += entry.table->sizeBytes() + sizeof(entry) + 64;
    return sum;
  }
};

DwarfFile::DwarfFile() : impl_(std::make_unique<Impl>()) {}
DwarfFile::~DwarfFile() = default;

std::shared_ptr<DwarfFile> DwarfFile::Open(const ElfFile& image, const ElfFile* debug, DwarfErrors* errors,
                                            ScratchFile scratch) {
  const ElfFile* from = DwarfSections::Has(image) ? &image : debug;
  if (from == nullptr || !DwarfSections::Has(*from)) return nullptr;
  auto sections = DwarfSections::Open(*from, errors);
  if (!sections) return nullptr;
  std::shared_ptr<DwarfFile> file(new DwarfFile());
  file->impl_->elf = from->reopen();
  if (!file->impl_->elf) return nullptr;
  file->impl_->errors = errors;
  file->impl_->kept = std::make_unique<UnpackedSections>(std::move(scratch));
  file->impl_->base = sections->codeStart();
  return file;
}

bool DwarfFile::Impl::Wake() {
  if (sections) return true;
  sections = DwarfSections::Open(*elf, errors, kept.get());
  if (!sections) return false;
  reader = std::make_unique<DwarfReader>(sections.get());
  return true;
}

void DwarfFile::Rest() {
  impl_->foreign.clear();
  impl_->reader.reset();
  impl_->sections.reset();
}

void DwarfFile::Impl::Add(uint64_t low, uint64_t high, uint32_t unit, std::vector<IndexRange>* out) const {
  if (low < base || high <= low || high - base > UINT32_MAX || !sections->IsCode(low)) return;
  const auto from = static_cast<uint32_t>(low - base), to = static_cast<uint32_t>(high - base);
  if (out->size() < kMaxIndexRanges) {
    out->push_back({from, to, unit});
  } else {
    errors->overLimit++;
  }
}

/// .debug_aranges: small and dense, but clang and rustc write none, so a miss proves nothing.
void DwarfFile::Impl::IndexAranges() {
  std::vector<IndexRange> ranges;
  std::vector<uint64_t> offsets;
  const uint64_t size = std::min(sections->Size(DwarfSections::Aranges), kMaxArangesBytes);
  ByteReader reader(sections->Read(DwarfSections::Aranges, 0, size));
  while (!reader.done() && offsets.size() < kMaxUnits) {
    const size_t start = reader.position();
    uint64_t length = reader.Read<uint32_t>();
    const bool wide = length == 0xffffffff;
    if (wide) length = reader.Read<uint64_t>();
    const size_t head = reader.position() - start;
    ByteReader set(reader.Take(length));
    if (!reader.ok()) break;
    const uint16_t version = set.Read<uint16_t>();
    const uint64_t unit = wide ? set.Read<uint64_t>() : set.Read<uint32_t>();
    const uint8_t addressSize = set.Read<uint8_t>();
    const uint8_t selectorSize = set.Read<uint8_t>();
    if (version != 2 || addressSize != 8 || selectorSize != 0 || unit >= sections->Size(DwarfSections::Info)) continue;
    // Pairs are aligned to their own size from the start of the set.
    set.Skip((16 - (head + set.position()) % 16) % 16);
    const auto row = static_cast<uint32_t>(offsets.size());
    offsets.push_back(unit);
    while (!set.done()) {
      const uint64_t low = set.Read<uint64_t>();
      const uint64_t bytes = set.Read<uint64_t>();
      if (!set.ok() || (low == 0 && bytes == 0)) break;
      if (bytes <= UINT64_MAX - low) Add(low, low + bytes, row, &ranges);
    }
  }
  if (!reader.ok()) errors->malformed++;
  Publish(std::move(ranges), std::move(offsets), false);
}

/// All unit headers and what their root DIEs cover.
void DwarfFile::Impl::IndexUnits() {
  std::vector<IndexRange> ranges;
  std::vector<uint64_t> offsets;
  std::vector<AddressRange> covered;
  uint64_t next = 0;
  for (uint64_t at = 0; at < sections->Size(DwarfSections::Info); at = next) {
    DwarfUnit unit;
    const bool readable = reader->ReadHeader(at, &unit, &next);
    if (next <= at) break;
    if (!readable) continue;
    if (offsets.size() >= kMaxUnits) {
      errors->overLimit++;
      break;
    }
    const auto row = static_cast<uint32_t>(offsets.size());
    offsets.push_back(at);
    if (!reader->ReadRoot(&unit)) continue;
    covered.clear();
    reader->Ranges(unit, unit.low, unit.high, unit.ranges, &covered);
    std::sort(covered.begin(), covered.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
    for (const auto& range : covered) Add(range.low, range.high, row, &ranges);
    sections->Trim(kMaxImageBytes);
  }
  Publish(std::move(ranges), std::move(offsets), true);
}

void DwarfFile::Impl::Publish(std::vector<IndexRange> ranges, std::vector<uint64_t> offsets, bool all) {
  ranges = SideBySide(std::move(ranges));
  const std::lock_guard lock(mutex);
  // Units are numbered anew: tables keep their unit by its offset.
  std::map<uint32_t, Loaded> moved;
  for (auto& [unit, entry] : loaded) {
    const auto it = std::lower_bound(offsets.begin(), offsets.end(), units[unit]);
    if (it == offsets.end() || *it != units[unit]) continue;
    auto& to = moved[static_cast<uint32_t>(it - offsets.begin())];
    to.table = entry.table;
    to.lastUse = entry.lastUse.load();
  }
  loaded = std::move(moved);
  index = std::move(ranges);
  units = std::move(offsets);
  indexed = true;
  complete = walked = all;
}

const IndexRange* DwarfFile::Impl::RangeAt(uint64_t address) const {
  if (address < base || address - base > UINT32_MAX) return nullptr;
  const auto delta = static_cast<uint32_t>(address - base);
  const auto after = std::upper_bound(index.begin(), index.end(), delta,
                                      [](uint32_t d, const IndexRange& range) { return d < range.low; });
  return after != index.begin() && (after - 1)->high > delta ? &*(after - 1) : nullptr;
}

const DwarfUnit* DwarfFile::Impl::UnitOf(uint64_t dieOffset) {
  if (!walked) {
    IndexUnits();
    if (!walked) return nullptr;
  }
  const auto it = std::upper_bound(units.begin(), units.end(), dieOffset);
  if (it == units.begin()) return nullptr;
  const uint64_t offset = *(it - 1);
  if (foreign.size() >= kMaxForeignUnits && !foreign.contains(offset)) foreign.clear();
  auto& unit = foreign[offset];
  if (!unit) {
    unit = std::make_unique<DwarfUnit>();
    uint64_t next = 0;
    if (!reader->ReadHeader(offset, unit.get(), &next) || !reader->ReadRoot(unit.get())) unit->abbrevs = nullptr;
  }
  return unit.get();
}

void DwarfFile::Load(uint64_t address) {
  Impl& impl = *impl_;
  if (impl.dead) return;
  if (!impl.Wake()) {
    const std::lock_guard lock(impl.mutex);
    impl.dead = impl.indexed = impl.complete = true;
    return;
  }
  // The index changes only on this thread, so reading it needs no lock here.
  if (!impl.indexed) impl.IndexAranges();
  if (!impl.walked && impl.RangeAt(address) == nullptr) impl.IndexUnits();
  const IndexRange* range = impl.RangeAt(address);
  if (range == nullptr || impl.loaded.contains(range->unit)) return;
  const uint64_t offset = impl.units[range->unit];
  impl.sections->Trim(kMaxImageBytes);
  DwarfUnit unit;
  uint64_t next = 0;
  std::shared_ptr<const UnitTable> table;
  // Building may walk all units (one refers to another), which numbers them anew: hence RangeAt again.
  if (impl.reader->ReadHeader(offset, &unit, &next) && impl.reader->ReadRoot(&unit))
    table = UnitTable::Build(impl.reader.get(), unit, [&impl](uint64_t die) { return impl.UnitOf(die); });
  else
    table = UnitTable::Nothing();
  const std::lock_guard lock(impl.mutex);
  const IndexRange* now = impl.RangeAt(address);
  if (now == nullptr) return;
  auto& entry = impl.loaded[now->unit];
  entry.table = std::move(table);
  entry.lastUse = ++useClock;
}

DwarfFile::Answer DwarfFile::Find(uint64_t address, std::vector<SourceFrame>* out,
                                  std::shared_ptr<const UnitTable>* table) const {
  const Impl& impl = *impl_;
  const std::lock_guard lock(impl.mutex);
  const IndexRange* range = impl.RangeAt(address);
  if (range == nullptr) return impl.complete ? Answer::None : Answer::NotLoaded;
  const auto found = impl.loaded.find(range->unit);
  if (found == impl.loaded.end()) return Answer::NotLoaded;
  found->second.lastUse = ++useClock;
  *table = found->second.table;
  return (*table)->Lookup(address, out) ? Answer::Found : Answer::None;
}

size_t DwarfFile::sizeBytes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->bytes();
}

size_t DwarfFile::unitCount() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->loaded.size();
}

uint64_t DwarfFile::oldestUse() const {
  const std::lock_guard lock(impl_->mutex);
  uint64_t oldest = UINT64_MAX;
  for (const auto& [unit, entry] : impl_->loaded) oldest = std::min(oldest, entry.lastUse.load());
  return oldest;
}

size_t DwarfFile::EvictOldest() {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.mutex);
  const size_t before = impl.bytes();
  auto oldest = impl.loaded.begin();
  for (auto it = impl.loaded.begin(); it != impl.loaded.end(); ++it)
    if (it->second.lastUse < oldest->second.lastUse) oldest = it;
  if (oldest != impl.loaded.end()) impl.loaded.erase(oldest);
  if (impl.loaded.empty()) {
    impl.index = {};
    impl.units = {};
    impl.indexed = impl.complete = impl.walked = false;
  }
  return before - impl.bytes();
}

}  // namespace otelprof
