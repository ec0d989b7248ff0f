// The part of LiteRT's C API that label.c uses: the ai-edge-litert wheel contains the library but no headers.
// Written for ai-edge-litert 2.3.0. The API changes with versions: LiteRtCreateModelFromFile once took no environment.
#ifndef LITERT_MIN_H
#define LITERT_MIN_H

#include <stddef.h>
#include <stdint.h>

typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT* LiteRtTensorBufferRequirements;

typedef int LiteRtStatus;  // 0: success.
typedef int LiteRtHwAcceleratorSet;
enum { kLiteRtHwAcceleratorCpu = 1 };

// An option has a tag and a value of one of several types; only whole numbers are needed here.
enum { kLiteRtEnvOptionTagMinLoggerSeverity = 25 };
enum { kLiteRtAnyTypeInt = 2 };
enum { kLiteRtLogSeveritySilent = 4 };
typedef struct {
  int tag;
  struct {
    int type;
    int64_t int_value;
  } value;
} LiteRtEnvOption;

enum { kLiteRtElementTypeFloat32 = 1, kLiteRtElementTypeUInt8 = 3 };
typedef struct {
  int element_type;
  struct {
    uint32_t rank : 7, has_strides : 1;
    int32_t dimensions[8];
    uint32_t strides[8];
  } layout;
} LiteRtRankedTensorType;
// The library copies whole structures: with a different size, it would overwrite the memory after ours.
_Static_assert(sizeof(LiteRtEnvOption) == 24 && sizeof(LiteRtRankedTensorType) == 72, "not LiteRT's layout");

enum { kLiteRtTensorBufferLockModeRead = 0, kLiteRtTensorBufferLockModeWrite = 1 };

LiteRtStatus LiteRtCreateEnvironment(int count, const LiteRtEnvOption* options, LiteRtEnvironment* environment);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment environment, const char* path, LiteRtModel* model);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions* options);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions options, LiteRtHwAcceleratorSet accelerators);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment environment, LiteRtModel model, LiteRtOptions options,
                                       LiteRtCompiledModel* compiled);

LiteRtStatus LiteRtGetModelSignature(LiteRtModel model, size_t index, LiteRtSignature* signature);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature signature, size_t index, LiteRtTensor* tensor);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature signature, size_t index, LiteRtTensor* tensor);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor tensor, LiteRtRankedTensorType* type);

LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel compiled, size_t signature, size_t index,
                                                           LiteRtTensorBufferRequirements* requirements);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel compiled, size_t signature,
                                                            size_t index, LiteRtTensorBufferRequirements* requirements);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment environment,
                                                             const LiteRtRankedTensorType* type,
                                                             LiteRtTensorBufferRequirements requirements,
                                                             LiteRtTensorBuffer* buffer);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer buffer, void** memory, int mode);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer buffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel compiled, size_t signature, size_t input_count,
                                    LiteRtTensorBuffer* inputs, size_t output_count, LiteRtTensorBuffer* outputs);

void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer buffer);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel compiled);
void LiteRtDestroyOptions(LiteRtOptions options);
void LiteRtDestroyModel(LiteRtModel model);
void LiteRtDestroyEnvironment(LiteRtEnvironment environment);

#endif
