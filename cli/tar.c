#include "cli/tar.h"

#include <stddef.h>
#include <string.h>

// https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
typedef struct tar_head {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6], version[2];
    char names[64], device[16], prefix[155], pad[12];
} tar_head;

_Static_assert(sizeof(tar_head) == TAR_BLOCK, "a head is one block");

static const int64_t octal_max = INT64_C(1) << 33;

static unsigned checksum_of(const tar_head *head) {
    const unsigned char *bytes = (const unsigned char *)head;
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *head; i++) {
        bool own = i >= offsetof(tar_head, checksum) && i < offsetof(tar_head, type);
        sum += own ? ' ' : bytes[i];
    }
    return sum;
}

static void put_size(char field[12], int64_t size) {
    if (size < octal_max) {
        char text[13];
        snprintf(text, sizeof text, "%011llo", (unsigned long long)size);
        memcpy(field, text, 12);
        return;
    }
    memset(field, 0, 12);
    field[0] = (char)0x80;
    for (int i = 0; i < 8; i++) {
        field[11 - i] = (char)(size >> (8 * i));
    }
}

bool tar_put_head(FILE *out, const char *name, int64_t size) {
    tar_head head = {.mode = "0000600",
                     .uid = "0000000",
                     .gid = "0000000",
                     .mtime = "00000000000",
                     .type = '0',
                     .magic = "ustar",
                     .version = {'0', '0'}};
    snprintf(head.name, sizeof head.name, "%s", name);
    put_size(head.size, size);
    snprintf(head.checksum, sizeof head.checksum, "%06o", checksum_of(&head) & 0777777);
    head.checksum[7] = ' ';
    return fwrite(&head, sizeof head, 1, out) == 1;
}

static size_t padding_of(int64_t size) {
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

bool tar_pad(FILE *out, int64_t size) {
    static const char zeroes[TAR_BLOCK];
    size_t padding = padding_of(size);
    return padding == 0 || fwrite(zeroes, padding, 1, out) == 1;
}

bool tar_put_end(FILE *out) {
    static const char zeroes[2 * TAR_BLOCK];
    return fwrite(zeroes, sizeof zeroes, 1, out) == 1;
}

static bool read_octal(const char *field, size_t length, int64_t *ret_number) {
    int64_t number = 0;
    size_t i = 0;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++) {
        number = number * 8 + (field[i] - '0');
    }
    *ret_number = number;
    return i > 0 && (i == length || field[i] == '\0' || field[i] == ' ');
}

static bool read_size(const char field[12], int64_t *ret_size) {
    if ((unsigned char)field[0] != 0x80) {
        return read_octal(field, 12, ret_size);
    }
    uint64_t size = 0;
    for (int i = 4; i < 12; i++) {
        size = size << 8 | (unsigned char)field[i];
    }
    *ret_size = (int64_t)size;
    return *ret_size >= octal_max;
}

tar_found tar_next(FILE *in, char ret_name[TAR_NAME_MAX + 1], int64_t *ret_size) {
    static const tar_head nothing;
    tar_head head;
    int64_t checksum = 0;
    if (fread(&head, sizeof head, 1, in) != 1) {
        return TAR_BROKEN;
    }
    if (memcmp(&head, &nothing, sizeof head) == 0) {
        return TAR_END;
    }
    if (!read_octal(head.checksum, sizeof head.checksum, &checksum) ||
        checksum != checksum_of(&head) || head.type != '0' || head.prefix[0] != '\0' ||
        memchr(head.name, '\0', sizeof head.name) == NULL || !read_size(head.size, ret_size)) {
        return TAR_BROKEN;
    }
    memcpy(ret_name, head.name, TAR_NAME_MAX + 1);
    return TAR_FILE;
}

bool tar_skip_pad(FILE *in, int64_t size) {
    char waste[TAR_BLOCK];
    size_t padding = padding_of(size);
    return padding == 0 || fread(waste, padding, 1, in) == 1;
}
