// Classifies image files with an exported TFLite file through LiteRT's C API.
//
//   ./label EXPORT_OR_TFLITE photo.jpg ...
//
// Of an export's directory, it runs the file that manifest.json recommends.
// Prints "file<TAB>label<TAB>score" for the five most probable labels of each file, best first. The label of an
// undecodable image is "invalid".
#define _GNU_SOURCE  // asprintf
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image.h"
#include "litert_min.h"

enum { TOP = 5 };

typedef struct {
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtOptions options;
  LiteRtCompiledModel compiled;
  LiteRtTensorBuffer input, output;
  int crop, classes;
} Network;

static void fail(const char* what, const char* why) {
  fprintf(stderr, "error: %s: %s\n", what, why);
  exit(1);
}

static void check(LiteRtStatus status, const char* what) {
  if (status == 0) return;
  fprintf(stderr, "error: %s: LiteRT reports status %d\n", what, status);
  exit(1);
}

static char* join(const char* folder, const char* name) {
  char* path;
  if (asprintf(&path, "%s/%s", folder, name) < 0) fail(name, "out of memory");
  return path;
}

static struct stat about(const char* path) {
  struct stat found;
  if (stat(path, &found)) fail(path, "does not exist");
  return found;
}

// Reads a whole file and appends a zero byte.
static char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file || !S_ISREG(about(path).st_mode)) fail(path, "cannot be read");
  *size = about(path).st_size;
  char* data = malloc(*size + 1);
  if (!data || fread(data, 1, *size, file) != *size) fail(path, "cannot be read");
  fclose(file);
  data[*size] = 0;
  return data;
}

// --- The files beside the model: labels.txt and manifest.json ---

typedef struct {
  char* text;  // the file; the names are pointers into it
  char** names;
  int count;
} Labels;

static Labels read_labels(const char* path) {
  size_t size;
  Labels labels = {read_file(path, &size), NULL, 0};
  labels.names = malloc((size + 1) * sizeof *labels.names);
  if (!labels.names) fail(path, "out of memory");
  for (char* name = strtok(labels.text, "\n"); name; name = strtok(NULL, "\n")) labels.names[labels.count++] = name;
  return labels;
}

typedef struct {
  int resize, crop;
} Manifest;

// Returns the number after a key in a JSON text.
static int find_number(const char* json, const char* key, const char* path) {
  int number;
  const char* found = strstr(json, key);
  if (!found || sscanf(found + strlen(key), "%d", &number) != 1) fail(path, "has no number for resize or crop");
  return number;
}

static Manifest read_manifest(const char* path) {
  size_t size;
  char* json = read_file(path, &size);
  Manifest manifest = {find_number(json, "\"resize\":", path), find_number(json, "\"crop\":", path)};
  if (manifest.crop > manifest.resize) fail(path, "has a crop larger than resize");
  free(json);
  return manifest;
}

// Returns the path of the TFLite file that an export's manifest recommends, and prints its name.
static char* recommended_model(const char* folder) {
  size_t size;
  char name[100], end, *path = join(folder, "manifest.json"), *json = read_file(path, &size);
  const char *key = "\"recommended_tflite\":", *found = strstr(json, key);
  if (!found || sscanf(found + strlen(key), " \"%99[^\"/]%c", name, &end) != 2 || end != '"')
    fail(path, "recommends no TFLite file");
  fprintf(stderr, "using %s\n", name);
  free(json);
  free(path);
  return join(folder, name);
}

// --- The network ---

static LiteRtRankedTensorType type_of(LiteRtTensor tensor, const char* path) {
  LiteRtRankedTensorType type;
  check(LiteRtGetRankedTensorType(tensor, &type), path);
  return type;
}

static LiteRtTensorBuffer new_buffer(const Network* network, LiteRtTensorBufferRequirements requirements,
                                     LiteRtRankedTensorType type, const char* path) {
  LiteRtTensorBuffer buffer;
  check(LiteRtCreateManagedTensorBufferFromRequirements(network->environment, &type, requirements, &buffer), path);
  return buffer;
}

static void make_input(Network* network, LiteRtSignature signature, const char* path) {
  LiteRtTensor tensor;
  check(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor), path);
  LiteRtRankedTensorType type = type_of(tensor, path);
  const int32_t* sides = type.layout.dimensions;
  if (type.element_type != kLiteRtElementTypeUInt8 || type.layout.rank != 4 || sides[0] != 1 || sides[1] < 1 ||
      sides[1] != sides[2] || sides[3] != 3)
    fail(path, "must take one square RGB image with 8 bits per channel");
  network->crop = sides[1];
  LiteRtTensorBufferRequirements requirements;
  check(LiteRtGetCompiledModelInputBufferRequirements(network->compiled, 0, 0, &requirements), path);
  network->input = new_buffer(network, requirements, type, path);
}

static void make_output(Network* network, LiteRtSignature signature, const char* path) {
  LiteRtTensor tensor;
  check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor), path);
  LiteRtRankedTensorType type = type_of(tensor, path);
  const int32_t* sides = type.layout.dimensions;
  if (type.element_type != kLiteRtElementTypeFloat32 || type.layout.rank != 2 || sides[0] != 1 || sides[1] < 1)
    fail(path, "must return one row of float32 probabilities");
  network->classes = sides[1];
  LiteRtTensorBufferRequirements requirements;
  check(LiteRtGetCompiledModelOutputBufferRequirements(network->compiled, 0, 0, &requirements), path);
  network->output = new_buffer(network, requirements, type, path);
}

// LiteRT checks this too, but reports it in several lines.
static void check_kind(const char* path) {
  char head[8];
  FILE* file = fopen(path, "rb");
  if (!file || fread(head, 1, sizeof head, file) != sizeof head || memcmp(head + 4, "TFL3", 4) != 0)
    fail(path, "is not a TFLite file");
  fclose(file);
}

static Network open_network(const char* path) {
  check_kind(path);
  Network network;
  // LiteRT's own messages would be mixed with the output.
  LiteRtEnvOption silent = {kLiteRtEnvOptionTagMinLoggerSeverity, {kLiteRtAnyTypeInt, kLiteRtLogSeveritySilent}};
  check(LiteRtCreateEnvironment(1, &silent, &network.environment), "environment");
  check(LiteRtCreateModelFromFile(network.environment, path, &network.model), path);
  check(LiteRtCreateOptions(&network.options), "options");
  check(LiteRtSetOptionsHardwareAccelerators(network.options, kLiteRtHwAcceleratorCpu), "options");
  check(LiteRtCreateCompiledModel(network.environment, network.model, network.options, &network.compiled), path);
  LiteRtSignature signature;
  check(LiteRtGetModelSignature(network.model, 0, &signature), path);
  make_input(&network, signature, path);
  make_output(&network, signature, path);
  return network;
}

static void close_network(Network* network) {
  LiteRtDestroyTensorBuffer(network->input);
  LiteRtDestroyTensorBuffer(network->output);
  LiteRtDestroyCompiledModel(network->compiled);
  LiteRtDestroyOptions(network->options);
  LiteRtDestroyModel(network->model);
  LiteRtDestroyEnvironment(network->environment);
}

// Runs the network on crop * crop RGB pixels; writes one score per class.
static void run(Network* network, const uint8_t* pixels, float* scores) {
  void* memory;
  check(LiteRtLockTensorBuffer(network->input, &memory, kLiteRtTensorBufferLockModeWrite), "input");
  memcpy(memory, pixels, (size_t)network->crop * network->crop * 3);
  check(LiteRtUnlockTensorBuffer(network->input), "input");
  check(LiteRtRunCompiledModel(network->compiled, 0, 1, &network->input, 1, &network->output), "model");
  check(LiteRtLockTensorBuffer(network->output, &memory, kLiteRtTensorBufferLockModeRead), "output");
  memcpy(scores, memory, network->classes * sizeof *scores);
  check(LiteRtUnlockTensorBuffer(network->output), "output");
}

// --- The program ---

// Prints the best labels. Overwrites the scores: a printed one is set to -1, so that the next best one is found.
static void print_best(const char* file, char** labels, float* scores, int classes) {
  for (int rank = 0; rank < TOP && rank < classes; rank++) {
    int best = 0;
    for (int i = 1; i < classes; i++)
      if (scores[i] > scores[best]) best = i;
    printf("%s\t%s\t%.6f\n", file, labels[best], scores[best]);
    scores[best] = -1;
  }
}

static void label_files(Network* network, Labels labels, int resize, char** files) {
  uint8_t* pixels = malloc((size_t)network->crop * network->crop * 3);
  float* scores = malloc(network->classes * sizeof *scores);
  if (!pixels || !scores) fail("model", "out of memory");
  for (; *files; files++) {
    size_t size;
    char* encoded = read_file(*files, &size);
    if (prepare_image((const uint8_t*)encoded, size, resize, network->crop, pixels)) {
      run(network, pixels, scores);
      print_best(*files, labels.names, scores, network->classes);
    } else {
      printf("%s\tinvalid\t%.6f\n", *files, 0.0);
    }
    free(encoded);
  }
  free(pixels);
  free(scores);
}

int main(int count, char** arguments) {
  if (count < 3) fail("usage", "label EXPORT_OR_TFLITE photo.jpg ...");
  // Check all names first, so that a mistyped one does not stop the program halfway.
  for (int i = 2; i < count; i++)
    if (!S_ISREG(about(arguments[i]).st_mode)) fail(arguments[i], "is not a file");
  bool whole_export = S_ISDIR(about(arguments[1]).st_mode);
  char* model = whole_export ? recommended_model(arguments[1]) : strdup(arguments[1]);
  const char* slash = strrchr(model, '/');
  char* folder = slash ? strndup(model, slash - model) : strdup(".");
  char *manifest_path = join(folder, "manifest.json"), *labels_path = join(folder, "labels.txt");

  Manifest manifest = read_manifest(manifest_path);
  Labels labels = read_labels(labels_path);
  Network network = open_network(model);
  if (manifest.crop != network.crop) fail(manifest_path, "has another crop than the model's input");
  if (labels.count != network.classes) fail(labels_path, "must have as many labels as the model has outputs");
  label_files(&network, labels, manifest.resize, arguments + 2);

  close_network(&network);
  free(labels.names);
  free(labels.text);
  free(labels_path);
  free(manifest_path);
  free(folder);
  free(model);
  return 0;
}
