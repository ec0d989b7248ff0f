// Classifies image files with an exported SavedModel through TensorFlow's C API.
//
//   ./label EXPORT photo.jpg ...
//
// Prints "file<TAB>label<TAB>score" for the five most probable labels of each file, best first.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void fail(const char* what, const char* why) {
  fprintf(stderr, "error: %s: %s\n", what, why);
  exit(1);
}

static void check(const TF_Status* status, const char* what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

// Reads a whole file and appends a zero byte.
static char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file) fail(path, "cannot be read");
  fseek(file, 0, SEEK_END);
  long length = ftell(file);
  rewind(file);
  char* data = malloc(length + 1);
  if (!data || fread(data, 1, length, file) != (size_t)length) fail(path, "cannot be read");
  fclose(file);
  data[length] = 0;
  *size = length;
  return data;
}

// Finds the tensor under signatures.serving_default.<direction>.<name> in the manifest, whose value is
// "operation:index". No JSON parser is needed: it searches for one key after the other, in this order.
static TF_Output find_tensor(TF_Graph* graph, const char* json, const char* direction, const char* name) {
  const char* keys[] = {"\"signatures\"", "\"serving_default\"", direction, name};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    json = strstr(json, keys[i]);
    if (!json) fail("manifest.json", "has no names of the model's tensors");
    json += strlen(keys[i]);
  }
  char operation[256];
  int index;
  if (sscanf(json, " : \"%255[^:]:%d\"", operation, &index) != 2)
    fail("manifest.json", "must name tensors as operation:index");
  TF_Output output = {TF_GraphOperationByName(graph, operation), index};
  if (!output.oper) fail(operation, "is not in the model");
  return output;
}

static TF_Tensor* one_string(const char* data, size_t size) {
  const int64_t shape[] = {1};
  TF_Tensor* tensor = TF_AllocateTensor(TF_STRING, shape, 1, sizeof(TF_TString));
  TF_TString* string = TF_TensorData(tensor);
  TF_TString_Init(string);
  TF_TString_Copy(string, data, size);
  return tensor;
}

int main(int count, char** arguments) {
  if (count < 3) fail("usage", "label EXPORT photo.jpg ...");
  char path[4096];
  snprintf(path, sizeof path, "%s/saved_model", arguments[1]);
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, path, tags, 1, graph, NULL, status);
  check(status, path);

  snprintf(path, sizeof path, "%s/manifest.json", arguments[1]);
  size_t size;
  char* manifest = read_file(path, &size);
  TF_Output input = find_tensor(graph, manifest, "\"inputs\"", "\"encoded\"");
  TF_Output outputs[] = {
      find_tensor(graph, manifest, "\"outputs\"", "\"labels\""),
      find_tensor(graph, manifest, "\"outputs\"", "\"scores\""),
  };
  free(manifest);

  for (int i = 2; i < count; i++) {
    char* encoded = read_file(arguments[i], &size);
    TF_Tensor* tensor = one_string(encoded, size);
    TF_Tensor* answers[2];
    TF_SessionRun(session, NULL, &input, &tensor, 1, outputs, answers, 2, NULL, 0, NULL, status);
    check(status, arguments[i]);
    const TF_TString* labels = TF_TensorData(answers[0]);
    const float* scores = TF_TensorData(answers[1]);
    for (int64_t k = 0; k < TF_Dim(answers[0], 1); k++)
      printf("%s\t%.*s\t%.6f\n", arguments[i], (int)TF_TString_GetSize(&labels[k]),
             TF_TString_GetDataPointer(&labels[k]), scores[k]);
    TF_DeleteTensor(tensor);
    TF_DeleteTensor(answers[0]);
    TF_DeleteTensor(answers[1]);
    free(encoded);
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
