// SPDX-License-Identifier: Apache-2.0
#include <ctime>
#include <random>
#include <string>

#include "../addon/symbols/symbols.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

struct Case {
  const char* mangled;
  const char* simplified;
  const char* templates;
  const char* full;
};

constexpr Case kCases[] = {
    {"_Z1fi", "f", "f", "f(int)"},
    {"main", "main", "main", "main"},
    {"memcpy@plt", "memcpy@plt", "memcpy@plt", "memcpy@plt"},
    {"_ZN1a1bC1Ev", "a::b::b", "a::b::b", "a::b::b()"},
    {"_ZN1a1bD0Ev", "a::b::~b", "a::b::~b", "a::b::~b()"},
    {"_ZltRK1AS1_", "operator<", "operator<", "operator<(A const&, A const&)"},
    {"_ZltI1AEbRKT_S3_", "operator<", "operator<<A>", "bool operator<<A>(A const&, A const&)"},
    {"_ZlsRSoRK1A", "operator<<", "operator<<", "operator<<(std::ostream&, A const&)"},
    {"_ZN1AclEi", "A::operator()", "A::operator()", "A::operator()(int)"},
    {"_ZNK1AptEv", "A::operator->", "A::operator->", "A::operator->() const"},
    {"_ZN1AcvbEv", "A::operator bool", "A::operator bool", "A::operator bool()"},
    {"_ZN1AcvT_IiEEv", "A::operator int", "A::operator int<int>", "A::operator int<int>()"},
    {"_ZN1AnwEm", "A::operator new", "A::operator new", "A::operator new(unsigned long)"},
    {"_Zli3_kmy", "operator\"\" _km", "operator\"\" _km", "operator\"\" _km(unsigned long long)"},
    {"_ZN12_GLOBAL__N_11fEv", "(anonymous namespace)::f", "(anonymous namespace)::f",
     "(anonymous namespace)::f()"},
    {"_ZZ1fvENKUlvE_clEv", "f::'lambda'::operator()", "f::'lambda'::operator()",
     "f()::'lambda'()::operator()() const"},
    {"_ZZN1A1gEiENKUlRKT_E0_clIcEEDaS2_", "A::g::'lambda0'::operator()",
     "A::g::'lambda0'::operator()<char>",
     "auto A::g(int)::'lambda0'(auto const&)::operator()<char>(auto const&) const"},
    {"_ZNSt6vectorIS_IiSaIiEESaIS1_EE9push_backEOS1_", "std::vector::push_back",
     "std::vector<std::vector<int, std::allocator<int> >, std::allocator<std::vector<int, "
     "std::allocator<int> > > >::push_back",
     "std::vector<std::vector<int, std::allocator<int> >, std::allocator<std::vector<int, "
     "std::allocator<int> > > >::push_back(std::vector<int, std::allocator<int> >&&)"},
    {"_Z3mapIiPFviEEvT_T0_", "map", "map<int, void (*)(int)>",
     "void map<int, void (*)(int)>(int, void (*)(int))"},
    {"_Z1fPFPFviEvE", "f", "f", "f(void (*(*)())(int))"},
    {"_Z1fRA5_KiM1AFivE", "f", "f", "f(int const (&) [5], int (A::*)())"},
    {"_Z3logIJicEEvDpOT_", "log", "log<int, char>", "void log<int, char>(int&&, char&&)"},
    {"_Z3logIJEEvDpT_", "log", "log<>", "void log<>()"},
    {"_Z1gIJicEEvDpRT_DpS0_", "g", "g<int, char>", nullptr},
    {"_ZThn16_N1A1fEv", "non-virtual thunk to A::f", "non-virtual thunk to A::f",
     "non-virtual thunk to A::f()"},
    {"_ZTV1A", "vtable for A", "vtable for A", "vtable for A"},
    {"_ZN1A1fB5cxx11Ev", "A::f[abi:cxx11]", "A::f[abi:cxx11]", "A::f[abi:cxx11]()"},
    {"_ZL1fv.constprop.0", "f", "f", "f()"},
    {"_ZN1A1fEv.part.0.isra.1", "A::f", "A::f", "A::f()"},
    {"_ZN1A1fEv.cold", "A::f", "A::f", "A::f()"},
    {"_ZN1A1fEv.llvm.1234567", "A::f", "A::f", "A::f()"},
    {"parse.constprop.0", "parse", "parse", "parse"},
    {"parse.cold", "parse", "parse", "parse"},
    {"parse.cold.1", "parse", "parse", "parse"},
    {"parse.localalias", "parse", "parse", "parse"},
    {"parse.__uniq.123456", "parse", "parse", "parse"},
    {"parse.isra.0@plt", "parse@plt", "parse@plt", "parse@plt"},
    {"_ZN4core3fmt5write17h0123456789abcdefE.llvm.123", "core::fmt::write", "core::fmt::write", "core::fmt::write"},
    {"colder.coldness", "colder.coldness", "colder.coldness", "colder.coldness"},
    // Rust, legacy.
    {"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad",
     "core::fmt::Formatter::pad", "core::fmt::Formatter::pad"},
    {"_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
     "<alloc::vec::Vec as core::ops::drop::Drop>::drop",
     "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop",
     "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop"},
    {"_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE.llvm.99",
     "std::rt::lang_start::{{closure}}", "std::rt::lang_start::{{closure}}",
     "std::rt::lang_start::{{closure}}"},
    {"_ZN4core3ops8function6FnOnce40call_once$u7b$$u7b$vtable.shim$u7d$$u7d$17h0123456789abcdefE",
     "core::ops::function::FnOnce::call_once{{vtable.shim}}",
     "core::ops::function::FnOnce::call_once{{vtable.shim}}",
     "core::ops::function::FnOnce::call_once{{vtable.shim}}"},
    // Rust, v0.
    {"_RNvC7mycrate4main", "mycrate::main", "mycrate::main", "mycrate::main"},
    {"_RINvNtC3std3mem8align_ofdE", "std::mem::align_of", "std::mem::align_of::<f64>",
     "std::mem::align_of::<f64>"},
    {"_RNCNvC7mycrate4main0B3_", "mycrate::main::{closure#0}", "mycrate::main::{closure#0}",
     "mycrate::main::{closure#0}"},
    {"_RNvXC7mycrateINtNtC5alloc3vec3VechENtNtC4core3ops4Drop4drop",
     "<alloc::vec::Vec as core::ops::Drop>::drop", "<alloc::vec::Vec<u8> as core::ops::Drop>::drop",
     "<alloc::vec::Vec<u8> as core::ops::Drop>::drop"},
    // Not mangled, or badly.
    {"_Z", "_Z", "_Z", "_Z"},
    {"_ZN", "_ZN", "_ZN", "_ZN"},
    {"_R", "_R", "_R", "_R"},
    {"_Z9999999999f", "_Z9999999999f", "_Z9999999999f", "_Z9999999999f"},
    {"_ZN1fS99_E", "_ZN1fS99_E", "_ZN1fS99_E", "_ZN1fS99_E"},
    {"", "", "", ""},
};

double cpuMs() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

void tables() {
  for (const Case& c : kCases) {
    CHECK_EQ(Demangle(c.mangled, DemangleMode::None), c.mangled);
    CHECK_EQ(Demangle(c.mangled, DemangleMode::Simplified), c.simplified);
    CHECK_EQ(Demangle(c.mangled, DemangleMode::Templates), c.templates);
    if (c.full != nullptr) CHECK_EQ(Demangle(c.mangled, DemangleMode::Full), c.full);
  }
}

/// Names that grow without bound in other demanglers. The bound here is on output; that the work is
/// bounded too shows in the test ending (the harness has a time limit; slowest is printed).
void hostile() {
  std::string doubling = "_Z1f1A";  // each step is a pair of the one before
  std::string packs = "_ZN1aIJEE";
  std::string base36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  // pair<A, A>, then each step the pair of the one before: 2^34 times A in 400 bytes.
  std::string pairs = "_Z1f1ASt4pairIS_S_E";
  for (size_t i = 0; i < 34; i++) {
    std::string before = std::string("S") + base36[i + 1] + "_";
    pairs += "S0_I" + before + before + "E";
    packs += "1bIJT_T_T_T_EE";
    doubling += "PFS_S_E";
  }
  packs += "Ev";
  std::string rustRefs = "_RNvC1a1b";
  std::string rust = "_RINvC1a1bTjjE";
  for (int i = 0; i < 60; i++) rust += "TB9_B9_Ba_E";
  rust += "E";
  const std::string names[] = {pairs,
                               packs,
                               doubling,
                               rust,
                               "_Z1f" + std::string(15'000, 'P') + "i",
                               "_Z1f" + std::string(15'000, 'F') + "i",
                               "_Z1f" + std::string(8'000, 'D') + "t",
                               "_Z" + std::string(15'000, 'Z'),
                               "_Z1fI" + std::string(15'000, 'J'),
                               "_Z1fIX" + std::string(15'000, 'n') + "E",
                               "_R" + std::string(15'000, 'N'),
                               "_RINvC1a1b" + std::string(15'000, 'R') + "hE",
                               "_ZN" + std::string(16'000, '1'),
                               std::string(100'000, 'x')};
  double slowest = 0;
  for (const std::string& name : names) {
    for (auto mode : {DemangleMode::Simplified, DemangleMode::Templates, DemangleMode::Full}) {
      double start = cpuMs();
      CHECK(Demangle(name, mode).size() <= kMaxDemangledBytes);
      slowest = std::max(slowest, cpuMs() - start);
    }
  }
  std::printf("slowest hostile name: %.1f ms\n", slowest);
}

void mutated() {
  std::mt19937 random(7);
  constexpr char kAlphabet[] = "_ZNSTIEJLXDPROKFMACGUltdpvijcbsr0123456789";
  double slowest = 0;
  for (int round = 0; round < 60'000; round++) {
    std::string name = kCases[random() % std::size(kCases)].mangled;
    for (size_t edits = random() % 6 + 1; edits > 0 && !name.empty(); edits--) {
      size_t at = random() % name.size();
      char c = random() % 8 == 0 ? static_cast<char>(random()) : kAlphabet[random() % (sizeof kAlphabet - 1)];
      switch (random() % 3) {
        case 0: name[at] = c; break;
        case 1: name.insert(at, 1, c); break;
        default: name.insert(at, name.substr(random() % name.size(), random() % 20)); break;
      }
    }
    double start = cpuMs();
    std::string out = Demangle(name, static_cast<DemangleMode>(random() % 4));
    slowest = std::max(slowest, cpuMs() - start);
    if (ValidUtf8(out) != out) CHECK_EQ(out, ValidUtf8(out));
  }
  std::printf("slowest mutated name: %.1f ms\n", slowest);
}

void utf8() {
  CHECK_EQ(ValidUtf8("grün→𝄞"), "grün→𝄞");
  CHECK_EQ(ValidUtf8("a\xff\xc0\x80z"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
  CHECK_EQ(ValidUtf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  CHECK_EQ(ValidUtf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");
  CHECK_EQ(ValidUtf8(std::string_view("a\0b", 3)), "a\xef\xbf\xbd" "b");
  CHECK_EQ(ValidUtf8("äää", 5), "ää");
  CHECK(!ParseDemangleMode("Full").has_value());
  CHECK(ParseDemangleMode("templates") == DemangleMode::Templates);
}

}  // namespace

int main() {
  tables();
  hostile();
  mutated();
  utf8();
  return testResult("symbols_demangle_test");
}
