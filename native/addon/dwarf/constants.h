// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// The values of DWARF 2 to 5 that the readers here use, named as in the standard (DWARF 5, section 7).
namespace otelprof::dw {

inline constexpr uint8_t kUnitCompile = 1, kUnitType = 2, kUnitPartial = 3, kUnitSkeleton = 4, kUnitSplitCompile = 5,
                         kUnitSplitType = 6;

inline constexpr uint16_t kTagClass = 0x02, kTagEnumeration = 0x04, kTagCompileUnit = 0x11, kTagStructure = 0x13,
                          kTagUnion = 0x17, kTagInlinedSubroutine = 0x1d, kTagModule = 0x1e, kTagSubprogram = 0x2e,
                          kTagNamespace = 0x39, kTagPartialUnit = 0x3c, kTagSkeletonUnit = 0x4a;

inline constexpr uint16_t kAtName = 0x03, kAtStmtList = 0x10, kAtLowPc = 0x11, kAtHighPc = 0x12, kAtLanguage = 0x13,
                          kAtCompDir = 0x1b, kAtAbstractOrigin = 0x31, kAtDeclLine = 0x3b, kAtSpecification = 0x47,
                          kAtRanges = 0x55, kAtCallFile = 0x58, kAtCallLine = 0x59, kAtLinkageName = 0x6e,
                          kAtStrOffsetsBase = 0x72, kAtAddrBase = 0x73, kAtRnglistsBase = 0x74,
                          kAtMipsLinkageName = 0x2007;

inline constexpr uint16_t kFormAddr = 0x01, kFormBlock2 = 0x03, kFormBlock4 = 0x04, kFormData2 = 0x05,
                          kFormData4 = 0x06, kFormData8 = 0x07, kFormString = 0x08, kFormBlock = 0x09,
                          kFormBlock1 = 0x0a, kFormData1 = 0x0b, kFormFlag = 0x0c, kFormSdata = 0x0d, kFormStrp = 0x0e,
                          kFormUdata = 0x0f, kFormRefAddr = 0x10, kFormRef1 = 0x11, kFormRef2 = 0x12, kFormRef4 = 0x13,
                          kFormRef8 = 0x14, kFormRefUdata = 0x15, kFormIndirect = 0x16, kFormSecOffset = 0x17,
                          kFormExprloc = 0x18, kFormFlagPresent = 0x19, kFormStrx = 0x1a, kFormAddrx = 0x1b,
                          kFormRefSup4 = 0x1c, kFormStrpSup = 0x1d, kFormData16 = 0x1e, kFormLineStrp = 0x1f,
                          kFormRefSig8 = 0x20, kFormImplicitConst = 0x21, kFormLoclistx = 0x22, kFormRnglistx = 0x23,
                          kFormRefSup8 = 0x24, kFormStrx1 = 0x25, kFormStrx2 = 0x26, kFormStrx3 = 0x27,
                          kFormStrx4 = 0x28, kFormAddrx1 = 0x29, kFormAddrx2 = 0x2a, kFormAddrx3 = 0x2b,
                          kFormAddrx4 = 0x2c, kFormGnuRefAlt = 0x1f20, kFormGnuStrpAlt = 0x1f21;

inline constexpr uint8_t kLnsCopy = 1, kLnsAdvancePc = 2, kLnsAdvanceLine = 3, kLnsSetFile = 4, kLnsConstAddPc = 8,
                         kLnsFixedAdvancePc = 9;
inline constexpr uint8_t kLneEndSequence = 1, kLneSetAddress = 2, kLneDefineFile = 3;
inline constexpr uint16_t kLnctPath = 1, kLnctDirectoryIndex = 2;

inline constexpr uint8_t kRleEndOfList = 0, kRleBaseAddressx = 1, kRleStartxEndx = 2, kRleStartxLength = 3,
                         kRleOffsetPair = 4, kRleBaseAddress = 5, kRleStartEnd = 6, kRleStartLength = 7;

}  // namespace otelprof::dw
