/* Counts columns of float32 by bins and adds up their places on a grid; `Counter` in shared/reference/counter.py says
 * what the numbers mean. Whole numbers only, so that the order of rows does not matter, and no fused multiply-add
 * (build.py), so that a place is the one that numpy computes. Needs no library, not even C's own.
 */
#include <stdint.h>

enum { AT_ONCE = 256, WIDTH = 61, LEAST = 1 << 12, MIDDLE = LEAST + (1 << 19), MOST = LEAST + (1 << 20) };
/* A value adds this and its code to its bin: of so few rows the sum of codes is less. */
#define ONE ((int64_t)1 << 34)

typedef struct {
    float origin, scale, offset; /* of the grid */
    float minimum, maximum;      /* the reference's range */
    int32_t bits;                /* that a code loses to become its cell */
    int64_t table;               /* where the column's cells begin */
    float edges[WIDTH];          /* 1 to 59; NaN before and after them */
} column_t;

typedef struct {
    int64_t *counts, *sums;         /* [WIDTH] */
    int64_t *high, *low;            /* words of 32 bits of the sum of squares */
    int64_t *below, *above, *zeros;
} sums_t;

static void add(const column_t *column, const uint8_t *tables, const float *value, int64_t rows, sums_t into) {
    const uint8_t *table = tables + column->table;
    int32_t code[AT_ONCE];
    int32_t below = 0, above = 0, zeros = 0;
    uint64_t squares = 0;
    for (int64_t row = 0; row < rows; row++) {
        const float x = value[row];
        float place = (x - column->origin) * column->scale + column->offset;
        place = place < LEAST ? LEAST : place;
        place = place > MOST ? MOST : place;
        code[row] = x == x ? (int32_t)place : 0;
        below += x < column->minimum;
        above += x > column->maximum;
        zeros += x == 0;
    }
    int64_t packed[WIDTH] = {0};
    for (int64_t row = 0; row < rows; row++) {
        int32_t bin = table[code[row] >> column->bits];
        bin += column->edges[bin] <= value[row];
        while (column->edges[bin] <= value[row]) bin++; /* hardly ever: few cells hold two edges */
        packed[bin] += ONE + code[row];
    }
    for (int64_t row = 0; row < rows; row++) {
        const int32_t place = code[row] ? code[row] - MIDDLE : 0;
        const uint32_t size = place < 0 ? -place : place;
        squares += (uint64_t)size * size;
    }
    into.counts[0] += packed[0] / ONE;
    for (int64_t bin = 1; bin < WIDTH; bin++) {
        into.counts[bin] += packed[bin] / ONE;
        into.sums[bin] += packed[bin] % ONE - MIDDLE * (packed[bin] / ONE);
    }
    *into.below += below;
    *into.above += above;
    *into.zeros += zeros;
    const int64_t low = *into.low + (int64_t)squares;
    *into.high += low >> 32;
    *into.low = low & UINT32_MAX;
}

void driftline_count(const float *values, int64_t rows, int64_t width, const column_t *columns, const uint8_t *tables,
                     int64_t first, int64_t total, int64_t *counts, int64_t *sums, int64_t *squares, int64_t *outside,
                     int64_t *zeros) {
    float value[AT_ONCE];
    for (int64_t begin = 0; begin < rows; begin += AT_ONCE) {
        const int64_t here = rows - begin < AT_ONCE ? rows - begin : AT_ONCE;
        for (int64_t column = 0; column < width; column++) {
            const float *from = values + begin * width + column;
            for (int64_t row = 0; row < here; row++) value[row] = from[row * width];
            const int64_t at = first + column;
            const sums_t into = {counts + at * WIDTH, sums + at * WIDTH, squares + at, squares + total + at,
                                 outside + at, outside + total + at, zeros + at};
            add(columns + at, tables, value, here, into);
        }
    }
}
