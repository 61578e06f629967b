// main for a fuzz target in builds without libFuzzer: runs the committed seeds through it once. Then, where
// memory can run out, again with each of their allocations failing, alone and with all behind it: nothing may
// crash, and nothing may stay behind.

#include "core/testing/scarce.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SEED = 16 << 20, MAX_ALLOCATIONS = 400, REPEATS = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The copy is exactly as long as the seed: AddressSanitizer sees a read behind its end.
static uint8_t *read_seed(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    uint8_t *data = NULL;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size >= 0 && size <= MAX_SEED && fseek(file, 0, SEEK_SET) == 0) {
        data = malloc(size > 0 ? (size_t)size : 1);
    }
    if (data != NULL && fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
    }
    fclose(file);
    *ret_size = data == NULL ? 0 : (size_t)size;
    return data;
}

// True when an allocation failed; what stayed behind in *ret_kept.
static bool run_short(const uint8_t *data, size_t size, long nth, bool from_then_on,
                      long *ret_kept) {
    long before = ow_scarce_blocks();
    ow_scarce_begin(nth, from_then_on);
    LLVMFuzzerTestOneInput(data, size);
    bool failed = ow_scarce_end();
    *ret_kept = ow_scarce_blocks() - before;
    return failed;
}

// What a library keeps for the next time (OpenSSL its last 16 errors) stays behind a few times; what is lost,
// each time.
static bool loses(const uint8_t *data, size_t size, long nth, bool from_then_on, bool *ret_failed) {
    long kept = 0;
    *ret_failed = run_short(data, size, nth, from_then_on, &kept);
    for (int again = 0; again < REPEATS && kept > 0; again++) {
        run_short(data, size, nth, from_then_on, &kept);
    }
    return kept > 0;
}

static bool stands_scarcity(const uint8_t *data, size_t size, const char *path, bool others_lose) {
    for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
        bool failed = true;
        for (long nth = 1; failed && nth <= MAX_ALLOCATIONS; nth++) {
            if (loses(data, size, nth, from_then_on != 0, &failed) && !others_lose) {
                fprintf(stderr, "%s: memory is lost when allocation %ld fails\n", path, nth);
                return false;
            }
        }
    }
    return true;
}

static bool replay(const char *path, bool others_lose) {
    size_t size = 0;
    uint8_t *data = read_seed(path, &size);
    if (data == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    LLVMFuzzerTestOneInput(data, size);
    bool stands = !ow_scarce_is_possible() || stands_scarcity(data, size, path, others_lose);
    free(data);
    return stands;
}

// [--others-lose] SEED...
int main(int argc, char **argv) {
    bool others_lose = argc > 1 && strcmp(argv[1], "--others-lose") == 0;
    int first = others_lose ? 2 : 1;
    int failed = 0;
    for (int i = first; i < argc; i++) {
        failed += !replay(argv[i], others_lose);
    }
    printf("%d passed, %d failed\n", argc - first - failed, failed);
    return failed > 0;
}
