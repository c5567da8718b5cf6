// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <utility>

#include "symbol_table.h"
#include "symbols.h"

namespace otelprof {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kMaxLine = 4096;
constexpr size_t kMaxKernelSymbols = 4'000'000;
constexpr uint64_t kMaxTailBytes = 64 * 1024;  // reach of a symbol that nothing follows

class Fd {
 public:
  explicit Fd(const char* path) : fd_(open(path, O_RDONLY | O_CLOEXEC)) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Feeds each line to `use` without keeping the file. False if it cannot be opened or read.
bool forEachLine(const char* path, const std::function<void(std::string_view)>& use) {
  Fd fd(path);
  if (fd.get() < 0) return false;
  std::vector<char> buffer(kReadBytes + kMaxLine);
  size_t held = 0;
  for (;;) {
    ssize_t n = read(fd.get(), buffer.data() + held, buffer.size() - held);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) break;
    std::string_view text(buffer.data(), held + static_cast<size_t>(n));
    for (size_t end; (end = text.find('\n')) != std::string_view::npos;) {
      use(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    held = text.size() < kMaxLine ? text.size() : 0;  // no line of these files is that long
    std::memmove(buffer.data(), text.data(), held);
  }
  if (held != 0) use({buffer.data(), held});
  return true;
}

bool parseHex(std::string_view text, uint64_t* value) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  if (text.empty() || text.size() > 16) return false;
  *value = 0;
  for (char c : text) {
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return false;
    *value = *value << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}

bool isPrintable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view nextWord(std::string_view* text) {
  size_t start = text->find_first_not_of(" \t");
  if (start == std::string_view::npos) start = text->size();
  text->remove_prefix(start);
  size_t end = std::min(text->find_first_of(" \t"), text->size());
  std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}

/// Text whose address never changes while more is added.
class TextArena {
 public:
  std::string_view add(std::string_view text) {
    if (blocks_.empty() || used_ + text.size() > kBlock) {
      blocks_.push_back(std::make_unique<char[]>(kBlock));
      used_ = 0;
    }
    char* at = blocks_.back().get() + used_;
    std::memcpy(at, text.data(), text.size());
    used_ += text.size();
    return {at, text.size()};
  }

 private:
  static constexpr size_t kBlock = 256 * 1024;
  static_assert(kBlock > kMaxLine);
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0;
};

struct TextRange {
  uint64_t start = 0;
  uint64_t limit = 0;
};

}  // namespace

struct KernelSymbols::Impl {
  // The module of a symbol follows its name after a tab, as in kallsyms: symbols of the kernel itself,
  // nearly all of them, then cost nothing for it.
  SymbolTable table;
  std::map<std::string, TextRange, std::less<>> modules;
  bool restricted = false;
  std::string error;
};

KernelSymbols::KernelSymbols() : impl_(std::make_unique<Impl>()) {}
KernelSymbols::~KernelSymbols() = default;

namespace {

struct Reading {
  TextArena arena;
  std::vector<RawSymbol> symbols;
  std::map<std::string, TextRange, std::less<>> modules;
  uint64_t stext = 0;
  uint64_t etext = 0;
  size_t lines = 0;
  bool anyAddress = false;

  void line(std::string_view text);
  void modulesLine(std::string_view text);
  void setLimits();
};

void Reading::line(std::string_view text) {
  uint64_t address;
  if (!parseHex(nextWord(&text), &address)) return;
  std::string_view type = nextWord(&text);
  std::string_view name = nextWord(&text);
  std::string_view module = nextWord(&text);
  if (type.size() != 1 || !isPrintable(name) || (!module.empty() && !isPrintable(module))) return;
  lines++;
  if (address == 0) return;
  anyAddress = true;
  if (name == "_stext") stext = address;
  if (name == "_etext") etext = address;
  char kind = type[0];
  if (kind != 't' && kind != 'T' && kind != 'w' && kind != 'W') return;
  if (symbols.size() >= kMaxKernelSymbols) return;
  RawSymbol symbol{};
  symbol.start = address;
  symbol.rank = static_cast<uint8_t>(
      kRankUnsized | (kind == 'T' ? kRankGlobal : kind == 't' ? kRankLocal : kRankWeak));
  symbol.name = arena.add(name);
  if (module.size() > 2 && module.front() == '[' && module.back() == ']') {
    std::string_view bare = module.substr(1, module.size() - 2);
    std::string_view suffix = arena.add("\t");
    suffix = arena.add(bare);
    // add() may have opened a new block between the parts; then the name is written again as one.
    if (suffix.data() != symbol.name.data() + symbol.name.size() + 1) {
      symbol.name = arena.add(std::string(name).append("\t").append(bare));
    } else {
      symbol.name = {symbol.name.data(), symbol.name.size() + 1 + bare.size()};
    }
    TextRange& range = modules.try_emplace(std::string(bare), TextRange{address, address}).first->second;
    range.start = std::min(range.start, address);
    range.limit = std::max(range.limit, address + 1);
  }
  symbols.push_back(symbol);
}

/// "name size references users state 0xaddress"
void Reading::modulesLine(std::string_view text) {
  std::string_view name = nextWord(&text);
  std::string_view sizeText = nextWord(&text);
  for (int skip = 0; skip < 3; skip++) nextWord(&text);
  uint64_t start;
  uint64_t size = 0;
  if (!parseHex(nextWord(&text), &start) || start == 0) return;
  for (char c : sizeText) {
    if (c < '0' || c > '9' || size > (1u << 30)) return;
    size = size * 10 + static_cast<uint64_t>(c - '0');
  }
  modules[std::string(name)] = {start, start + size};
}

/// kallsyms has no sizes. Without an end, the last symbol of each area would claim the gap behind it.
void Reading::setLimits() {
  for (RawSymbol& s : symbols) {
    s.limit = s.start > UINT64_MAX - kMaxTailBytes ? UINT64_MAX : s.start + kMaxTailBytes;
    size_t tab = s.name.find('\t');
    if (tab == std::string_view::npos) {
      if (s.start >= stext && s.start < etext) s.limit = etext;
      continue;
    }
    auto module = modules.find(s.name.substr(tab + 1));
    if (module != modules.end() && module->second.limit > s.start + 1) {
      s.limit = std::min(module->second.limit, s.start + (1u << 20));
    }
  }
}

}  // namespace

bool KernelSymbols::Load(const char* path, const char* modulesPath) {
  impl_->error.clear();
  impl_->restricted = false;
  Reading reading;
  if (!forEachLine(path, [&reading](std::string_view line) { reading.line(line); })) {
    impl_->error = std::string("cannot read \"") + path + "\": " + std::strerror(errno);
    return false;
  }
  if (!reading.anyAddress) {
    impl_->restricted = reading.lines > 0;
    impl_->error = std::string("\"") + path + "\" " +
                   (reading.lines > 0 ? "hides its addresses: give the process CAP_SYSLOG, or set "
                                        "kernel.kptr_restrict to 0"
                                      : "has no symbols");
    return false;
  }
  // The sizes in /proc/modules are better than what the symbols tell, but the file may be missing.
  forEachLine(modulesPath, [&reading](std::string_view line) { reading.modulesLine(line); });
  reading.modules["vmlinux"] = {reading.stext, reading.etext};
  reading.setLimits();
  impl_->table = SymbolTable();
  impl_->table = SymbolTable::Build(reading.symbols, SIZE_MAX);
  impl_->modules = std::move(reading.modules);
  return true;
}

bool KernelSymbols::Lookup(uint64_t addr, std::string_view* name, std::string_view* module,
                           uint64_t* symbolStart) const {
  SymbolTable::Hit hit;
  if (!impl_->table.find(addr, &hit)) return false;
  size_t tab = hit.name.find('\t');
  *name = hit.name.substr(0, tab);
  *module = tab == std::string_view::npos ? std::string_view("vmlinux") : hit.name.substr(tab + 1);
  if (symbolStart != nullptr) *symbolStart = hit.start;
  return true;
}

uint64_t KernelSymbols::moduleStart(std::string_view module) const {
  auto found = impl_->modules.find(module);
  return found == impl_->modules.end() ? 0 : found->second.start;
}

uint64_t KernelSymbols::moduleLimit(std::string_view module) const {
  auto found = impl_->modules.find(module);
  return found == impl_->modules.end() ? 0 : found->second.limit;
}

std::string KernelSymbols::BuildId(std::string_view module) {
  std::string path = "/sys/kernel/notes";
  if (module != "vmlinux") {
    bool plain = !module.empty() && module.size() < 64 &&
                 std::all_of(module.begin(), module.end(), [](char c) {
                   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '_' || c == '-';
                 });
    if (!plain) return "";
    path = "/sys/module/" + std::string(module) + "/notes/.note.gnu.build-id";
  }
  Fd fd(path.c_str());
  std::vector<uint8_t> notes(kReadBytes);
  ssize_t n = fd.get() < 0 ? -1 : read(fd.get(), notes.data(), notes.size());
  return n <= 0 ? "" : GnuBuildIdOfNotes(std::span(notes).first(static_cast<size_t>(n)));
}

bool KernelSymbols::restricted() const { return impl_->restricted; }
const std::string& KernelSymbols::error() const { return impl_->error; }
size_t KernelSymbols::symbolCount() const { return impl_->table.count(); }
size_t KernelSymbols::sizeBytes() const { return sizeof(Impl) + impl_->table.image().size(); }

}  // namespace otelprof
