// main for a fuzz target in builds without libFuzzer: runs the committed seeds through it once.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SEED = 16 << 20 };

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

int main(int argc, char **argv) {
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        size_t size = 0;
        uint8_t *data = read_seed(argv[i], &size);
        if (data == NULL) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            failed++;
            continue;
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    printf("%d passed, %d failed\n", argc - 1 - failed, failed);
    return failed > 0;
}
