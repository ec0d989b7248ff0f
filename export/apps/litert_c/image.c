#include "image.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Only the formats that are needed: every decoder is code that a damaged file could exploit.
#define STBI_ONLY_BMP
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

enum { CHANNELS = 3, MAX_PIXELS = 100000000, MAX_ASPECT = 100 };

typedef struct {
  int width, height;
  uint8_t* pixels;  // RGB, row by row; the caller frees it
} Image;

static void* allocate(size_t size) {
  void* memory = malloc(size);
  if (!memory) {
    fputs("error: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

// --- The segments of a JPEG file: EXIF and Huffman tables, which stb_image does not check ---

static size_t number(const uint8_t* bytes, int count, bool lowest_first) {
  size_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[lowest_first ? count - 1 - i : i];
  return value;
}

// EXIF data is a TIFF file: its header has the offset of the first directory, whose entries have 12 bytes each. Only an
// entry of this directory counts, with a single SHORT or LONG: the thumbnail's directory has an orientation of its own.
static int orientation_in_tiff(const uint8_t* tiff, size_t size) {
  enum { TAG = 0x0112, SHORT = 3, LONG = 4, ENTRY = 12 };
  if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0)) return 1;
  bool lowest_first = tiff[0] == 'I';
  size_t at = number(tiff + 4, 4, lowest_first);
  if (at + 2 > size) return 1;
  size_t entries = number(tiff + at, 2, lowest_first);
  for (at += 2; entries > 0 && at + ENTRY <= size; at += ENTRY, entries--) {
    size_t type = number(tiff + at + 2, 2, lowest_first), count = number(tiff + at + 4, 4, lowest_first);
    if (number(tiff + at, 2, lowest_first) != TAG || (type != SHORT && type != LONG) || count != 1) continue;
    size_t orientation = number(tiff + at + 8, type == SHORT ? 2 : 4, lowest_first);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

// stb_image 2.27 writes out of bounds if a Huffman table declares more than 256 codes.
static bool huffman_tables_fit(const uint8_t* table, size_t size) {
  enum { LENGTHS = 16, HEAD = 1 + LENGTHS, MAX_CODES = 256 };
  while (size > 0) {
    if (size < HEAD) return false;
    size_t codes = 0;
    for (int i = 1; i <= LENGTHS; i++) codes += table[i];
    if (codes > MAX_CODES || HEAD + codes > size) return false;
    table += HEAD + codes;
    size -= HEAD + codes;
  }
  return true;
}

// Returns whether stb_image can decode the file safely. Sets `orientation` to EXIF's, from 1 (upright) to 8.
static bool inspect_jpeg(const uint8_t* encoded, size_t size, int* orientation) {
  enum { HUFFMAN = 0xC4, RESTART = 0xD0, START = 0xD8, END = 0xD9, SCAN = 0xDA, APP1 = 0xE1, FILL = 0xFF };
  enum { FIRST = 0xC0, NAME = 6 };
  bool wanted = true;  // Only the first EXIF segment before the compressed data counts.
  *orientation = 1;
  if (size == 0 || encoded[0] != FILL) return true;  // Some other format.
  for (size_t at = 0; at + 4 <= size;) {
    int marker = encoded[at + 1];
    // Skip compressed data between segments. The only markers that occur in it are those without a length.
    if (encoded[at] != FILL || marker < FIRST || (marker >= RESTART && marker <= START) || marker == FILL) {
      at++;
      continue;
    }
    if (marker == END) return true;
    const uint8_t* content = encoded + at + 4;
    size_t length = number(encoded + at + 2, 2, false);
    if (length < 2 || length > size - at - 2) return false;
    if (marker == HUFFMAN && !huffman_tables_fit(content, length - 2)) return false;
    if (marker == SCAN) wanted = false;
    if (wanted && marker == APP1 && length >= 2 + NAME && memcmp(content, "Exif\0", NAME) == 0) {
      *orientation = orientation_in_tiff(content + NAME, length - 2 - NAME);
      wanted = false;
    }
    at += 2 + length;
  }
  return true;
}

// Turns an image upright. Orientations 2 to 4 are mirrored or upside down; 5 to 8 also exchange rows and columns.
static Image turn(Image image, int orientation) {
  if (orientation == 1) return image;
  bool exchanged = orientation >= 5;
  bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned = {exchanged ? image.height : image.width, exchanged ? image.width : image.height, NULL};
  uint8_t* target = turned.pixels = allocate((size_t)image.width * image.height * CHANNELS);
  for (int row = 0; row < turned.height; row++)
    for (int column = 0; column < turned.width; column++, target += CHANNELS) {
      int x = exchanged ? row : column, y = exchanged ? column : row;
      if (from_right) x = image.width - 1 - x;
      if (from_below) y = image.height - 1 - y;
      memcpy(target, image.pixels + ((size_t)y * image.width + x) * CHANNELS, CHANNELS);
    }
  free(image.pixels);
  return turned;
}

// --- Decoding ---

static bool acceptable(int width, int height) {
  int64_t shorter = width < height ? width : height, longer = width < height ? height : width;
  return shorter > 0 && shorter * longer <= MAX_PIXELS && longer <= MAX_ASPECT * shorter;
}

static bool decode(const uint8_t* encoded, size_t size, Image* image) {
  int channels, orientation;
  if (size > INT_MAX || !inspect_jpeg(encoded, size, &orientation)) return false;
  // Check the header first: a small file may declare a size that would take too much memory.
  if (!stbi_info_from_memory(encoded, size, &image->width, &image->height, &channels) ||
      !acceptable(image->width, image->height))
    return false;
  image->pixels = stbi_load_from_memory(encoded, size, &image->width, &image->height, &channels, CHANNELS);
  if (!image->pixels) return false;
  *image = turn(*image, orientation);
  return true;
}

// --- Resizing ---

// The source pixels of a line, with their weights, that make up one pixel of the resized line.
typedef struct {
  int first, count;
  float* weights;  // the caller frees it
} Span;

// Bilinear with anti-aliasing: the weights form a triangle around the new pixel's center, as wide as the reduction. At
// the border, part of the triangle is outside the image, so the weights are normalized to sum to 1. Float arithmetic in
// the order of TensorFlow's: values halfway between two gray levels then round the same way.
static Span span_of(int pixel, int length, int resized) {
  float scale = 1 / ((float)resized / length), center = (pixel + 0.5f) * scale, reach = fmaxf(scale, 1), sum = 0;
  int first = fmaxf(ceilf(center - reach - 0.5f), 0), last = fminf(floorf(center + reach - 0.5f), length - 1);
  Span span = {first, last - first + 1, allocate((last - first + 1) * sizeof(float))};
  for (int i = 0; i < span.count; i++) {
    span.weights[i] = fmaxf(1 - fabsf(first + i + 0.5f - center) * (1 / reach), 0);
    sum += span.weights[i];
  }
  for (int i = 0; i < span.count; i++) span.weights[i] /= sum;
  return span;
}

// The length of a side of the resized image, and where the crop begins on it.
typedef struct {
  int length, first;
} Side;

// First the central square, then its center. Both offsets are rounded down, toward the top and left.
static Side side_of(int length, double scale, int resize, int crop) {
  int resized = rint(length * scale);
  return (Side){resized, (resized - resize) / 2 + (resize - crop) / 2};
}

// Resizes vertically; only the rows of the crop are computed. Returns float (crop, width of the image, CHANNELS).
static float* resize_rows(Image image, Side side, int crop) {
  const size_t stride = (size_t)image.width * CHANNELS;
  float* output = allocate(sizeof(float) * crop * stride);
  for (int row = 0; row < crop; row++) {
    Span span = span_of(side.first + row, image.height, side.length);
    for (size_t place = 0; place < stride; place++) {
      float sum = 0;
      for (int i = 0; i < span.count; i++) sum += span.weights[i] * image.pixels[(span.first + i) * stride + place];
      output[row * stride + place] = sum;
    }
    free(span.weights);
  }
  return output;
}

// Resizes the result of resize_rows horizontally; only the columns of the crop are computed.
static void resize_columns(const float* rows, int width, Side side, int crop, uint8_t* output) {
  for (int column = 0; column < crop; column++) {
    Span span = span_of(side.first + column, width, side.length);
    for (int row = 0; row < crop; row++)
      for (int channel = 0; channel < CHANNELS; channel++) {
        const float* source = rows + ((size_t)row * width + span.first) * CHANNELS + channel;
        float sum = 0;
        for (int i = 0; i < span.count; i++) sum += span.weights[i] * source[i * CHANNELS];
        output[((size_t)row * crop + column) * CHANNELS + channel] = fminf(rintf(sum), 255);
      }
    free(span.weights);
  }
}

bool prepare_image(const uint8_t* encoded, size_t size, int resize, int crop, uint8_t* pixels) {
  Image image;
  if (!decode(encoded, size, &image)) return false;
  double scale = (double)resize / (image.width < image.height ? image.width : image.height);
  float* rows = resize_rows(image, side_of(image.height, scale, resize, crop), crop);
  resize_columns(rows, image.width, side_of(image.width, scale, resize, crop), crop, pixels);
  free(rows);
  free(image.pixels);
  return true;
}
