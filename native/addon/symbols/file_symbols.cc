// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "../elf/eh_frame.h"
#include "go_pclntab.h"
#include "plt.h"
#include "symbol_cache.h"
#include "symbol_table.h"
#include "symbols.h"
#include "xz.h"

namespace otelprof {
namespace {

constexpr size_t kMaxSymbols = 4'000'000;           // Chrome with all its code has about 1.5 million
constexpr size_t kMaxMiniDebugBytes = 64u << 20;
constexpr size_t kSpareNameBytes = 1u << 20;

/// Symbols of code in one ELF symbol table (`.symtab` or `.dynsym`).
class TableReader {
 public:
  TableReader(const ElfFile& elf, const ElfFile::Section& table) : elf_(elf), symbols_(elf.data(table)) {
    auto sections = elf.sections();
    if (table.link < sections.size()) strings_ = elf.data(sections[table.link]);
    nameBudget_ = kSpareNameBytes + 2 * strings_.size();
  }

  /// Names share bytes in a string table only as suffixes, so this bounds an honest file's names. A
  /// dishonest one could point every symbol at the same long name.
  size_t nameBudget() const { return nameBudget_; }

  /// Of what is there, which may be less than the section header says.
  size_t symbolCount() const { return symbols_.size() / sizeof(Elf64_Sym); }

  void appendTo(std::vector<RawSymbol>* out) const {
    size_t nameBytes = 0;
    for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols_.size(); at += sizeof(Elf64_Sym)) {
      if (out->size() >= kMaxSymbols || nameBytes > nameBudget_) return;
      Elf64_Sym symbol;
      std::memcpy(&symbol, symbols_.data() + at, sizeof symbol);
      RawSymbol raw{};
      if (classify(symbol, &raw)) out->push_back(raw);
      nameBytes += raw.name.size();
    }
  }

 private:
  bool classify(const Elf64_Sym& symbol, RawSymbol* raw) const {
    uint8_t type = ELF64_ST_TYPE(symbol.st_info);
    bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
    if (!function && type != STT_NOTYPE) return false;
    // SHN_XINDEX (files with ≥ 65,280 sections) is left out: such files are objects, not programs.
    auto sections = elf_.sections();
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= sections.size()) return false;
    const ElfFile::Section& section = sections[symbol.st_shndx];
    if ((section.flags & SHF_EXECINSTR) == 0) return false;
    if (symbol.st_value < section.addr || symbol.st_value - section.addr >= section.size) return false;
    if (section.size > UINT64_MAX - section.addr) return false;
    raw->name = nameAt(symbol.st_name);
    if (raw->name.empty()) return false;
    // `$x`, `$d`: arm64 mapping symbols. `.L…`: labels an assembler forgot to drop.
    if (!function && (raw->name[0] == '$' || raw->name.starts_with(".L"))) return false;
    raw->start = symbol.st_value;
    raw->size = symbol.st_size;
    raw->limit = section.addr + section.size;
    uint8_t binding = ELF64_ST_BIND(symbol.st_info);
    raw->rank = binding == STB_LOCAL ? kRankLocal : binding == STB_WEAK ? kRankWeak : kRankGlobal;
    if (!function) raw->rank |= kRankUntyped;
    if (raw->size == 0) raw->rank |= kRankUnsized;
    return true;
  }

  std::string_view nameAt(uint32_t offset) const {
    if (offset >= strings_.size()) return {};
    const char* text = reinterpret_cast<const char*>(strings_.data()) + offset;
    return {text, strnlen(text, std::min(strings_.size() - offset, kMaxMangledBytes))};
  }

  const ElfFile& elf_;
  std::span<const uint8_t> symbols_;
  std::span<const uint8_t> strings_;
  size_t nameBudget_ = 0;
};

const ElfFile::Section* tableOfType(const ElfFile& elf, uint32_t type) {
  for (const ElfFile::Section& s : elf.sections()) {
    if (s.type == type) return &s;
  }
  return nullptr;
}

bool hasAsMany(const ElfFile& elf, uint32_t type, uint32_t otherType) {
  const ElfFile::Section* a = tableOfType(elf, type);
  const ElfFile::Section* b = tableOfType(elf, otherType);
  return a != nullptr && (b == nullptr || a->size >= b->size);
}

/// Fedora's and others' compressed .symtab of functions that .dynsym lacks.
std::unique_ptr<ElfFile> miniDebug(const ElfFile& image) {
  const ElfFile::Section* s = image.section(".gnu_debugdata");
  if (s == nullptr || s->size > kMaxMiniDebugBytes) return nullptr;
  auto unpacked = UnpackXz(image.data(*s), kMaxMiniDebugBytes);
  if (unpacked.empty()) return nullptr;
  return ElfFile::FromMemory(std::move(unpacked), nullptr);
}

/// The functions of a stripped file that nothing names.
void appendUnnamed(const ElfFile& image, std::vector<RawSymbol>* symbols) {
  constexpr size_t kUsualFdeBytes = 48;
  const ElfFile::Section* section = image.section(".eh_frame");
  if (section != nullptr) symbols->reserve(symbols->size() + std::min<uint64_t>(section->size / kUsualFdeBytes, kMaxSymbols));
  ForEachFunction(image, [symbols](uint64_t start, uint64_t end) {
    if (symbols->size() < kMaxSymbols) symbols->push_back({start, end - start, end, {}, kRankUnnamed});
  });
}

}  // namespace

struct FileSymbols::Impl {
  DemangleMode mode = DemangleMode::Full;
  SymbolSource source = SymbolSource::None;
  SymbolTable table;
  bool isMapped = false;
  std::unique_ptr<GoPclntab> go;
};

FileSymbols::FileSymbols() : impl_(std::make_unique<Impl>()) {}
FileSymbols::~FileSymbols() = default;

std::unique_ptr<FileSymbols> FileSymbols::Load(const ElfFile& image, DemangleMode mode, const ElfFile* debug,
                                               SymbolCache* cache) {
  std::unique_ptr<FileSymbols> file(new FileSymbols());
  Impl& impl = *file->impl_;
  impl.mode = mode;
  impl.go = GoPclntab::Load(image);
  const auto key = cache && !impl.go ? cache->KeyOf(image, debug) : std::nullopt;
  auto cached = key ? cache->Find(*key) : std::nullopt;
  if (!cached) {
    file->Build(image, debug);
    if (key) cached = cache->Store(*key, {impl.table, impl.source});
  }
  if (!cached) return file;
  impl.table = std::move(cached->table);
  impl.source = cached->source;
  impl.isMapped = true;
  return file;
}

void FileSymbols::Build(const ElfFile& image, const ElfFile* debug) {
  Impl& impl = *impl_;
  std::vector<RawSymbol> symbols;
  size_t nameBytes = kMaxPltNameBytes;
  auto append = [&](const ElfFile& elf, uint32_t type) {
    const ElfFile::Section* s = tableOfType(elf, type);
    if (s == nullptr) return false;
    TableReader reader(elf, *s);
    size_t before = symbols.size();
    if (before == 0) symbols.reserve(std::min(reader.symbolCount() / 2, kMaxSymbols));
    reader.appendTo(&symbols);
    nameBytes += reader.nameBudget();
    return symbols.size() > before;
  };
  bool full = append(image, SHT_SYMTAB);
  // A linker copies .dynsym into .symtab; only a stripping tool that was told which names to keep left less there.
  const bool needsDynamic = !full || !hasAsMany(image, SHT_SYMTAB, SHT_DYNSYM);
  if (!full && debug != nullptr) full = append(*debug, SHT_SYMTAB);
  std::unique_ptr<ElfFile> mini;
  bool fromMini = false;
  if (!full && (mini = miniDebug(image))) fromMini = append(*mini, SHT_SYMTAB);
  const bool dynamic = needsDynamic && append(image, SHT_DYNSYM);
  std::vector<std::string> pltNames;
  AppendPltSymbols(image, &symbols, &pltNames);
  if (!impl.go && !full && !fromMini) appendUnnamed(image, &symbols);
  if (impl.go) {
    // Go's table knows more of these; keeping them twice would double the memory.
    std::erase_if(symbols, [&impl](const RawSymbol& s) {
      uint64_t start;
      uint64_t size;
      return impl.go->range(s.start, &start, &size);
    });
  }
  impl.table = SymbolTable::Build(symbols, nameBytes);
  impl.source = impl.go      ? SymbolSource::GoPclntab
                : full       ? SymbolSource::Symtab
                : fromMini   ? SymbolSource::MiniDebug
                : dynamic    ? SymbolSource::Dynsym
                             : SymbolSource::None;
}

bool FileSymbols::Lookup(uint64_t elfVa, std::vector<ResolvedFrame>* out) const {
  out->clear();
  if (impl_->go && impl_->go->lookup(elfVa, out)) return true;
  SymbolTable::Hit hit;
  if (!impl_->table.find(elfVa, &hit) || hit.name.empty()) return false;
  ResolvedFrame frame;
  frame.name = Demangle(hit.name, impl_->mode);
  std::string linkerName = ValidUtf8(hit.name);
  if (linkerName != frame.name) frame.systemName = std::move(linkerName);
  out->push_back(std::move(frame));
  return true;
}

FileSymbols::Range FileSymbols::FunctionAt(uint64_t elfVa) const {
  Range range;
  if (impl_->go && impl_->go->range(elfVa, &range.start, &range.size)) return range;
  SymbolTable::Hit hit;
  if (impl_->table.find(elfVa, &hit)) range = {hit.start, hit.size};
  return range;
}

SymbolSource FileSymbols::source() const { return impl_->source; }
bool FileSymbols::isGo() const { return impl_->go != nullptr; }

bool FileSymbols::goOwns(uint64_t elfVa) const {
  uint64_t start;
  uint64_t size;
  return impl_->go && impl_->go->range(elfVa, &start, &size);
}

size_t FileSymbols::symbolCount() const {
  return impl_->table.count() + (impl_->go ? impl_->go->functionCount() : 0);
}

size_t FileSymbols::sizeBytes() const {
  const size_t table = impl_->isMapped ? 0 : impl_->table.image().size();
  return sizeof(Impl) + table + (impl_->go ? impl_->go->sizeBytes() : 0);
}

size_t FileSymbols::mappedBytes() const { return impl_->isMapped ? impl_->table.image().size() : 0; }

}  // namespace otelprof
