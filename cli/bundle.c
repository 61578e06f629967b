#include "cli/bundle.h"

#include "cli/rpc.h"
#include "core/archive/archive.h"
#include "core/crypto/hash.h"
#include "core/json/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MANIFEST "virtualserver.json"

enum {
    FOLDER_DEPTH_MAX = 8,
    // Together longer than the server keeps the place of an upload whose sender is gone.
    UPLOAD_ATTEMPTS = 30,
    UPLOAD_PAUSE_NS = 250000000,
};

typedef struct gathering {
    cli *c;
    const char *folder;
    const ow_json *patterns; // the manifest's "files"
    ow_archive_file *files;
    size_t count;
    cli_exit code;
} gathering;

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

static bool belongs(const gathering *g, const char *path) {
    if (strcmp(path, MANIFEST) == 0 || ends_with(path, ".c") || ends_with(path, ".h")) {
        return true;
    }
    for (const ow_json *p = ow_json_first(g->patterns); p != NULL; p = ow_json_next(p)) {
        const char *pattern = ow_json_string(p);
        if (pattern != NULL && fnmatch(pattern, path, FNM_PATHNAME) == 0) {
            return true;
        }
    }
    return false;
}

static void take_file(gathering *g, const char *path) {
    const char *full = ow_arena_printf_in(g->c->arena, "%s/%s", g->folder, path);
    size_t size;
    struct stat about;
    if (g->count == OW_ARCHIVE_FILES_MAX) {
        g->code =
            cli_fail(g->c, CLI_USAGE, "more than %d files in %s", OW_ARCHIVE_FILES_MAX, g->folder);
        return;
    }
    if (stat(full, &about) != 0 || about.st_size > (off_t)OW_ARCHIVE_SIZE_MAX) {
        g->code = cli_fail(g->c, CLI_USAGE, "%s is larger than 50 MB, or cannot be read", full);
        return;
    }
    // One byte more than its size, so that a file that grew meanwhile is noticed.
    char *bytes = cli_read_file(g->c, full, (size_t)about.st_size + 1, &size);
    if (bytes == NULL) {
        g->code = cli_fail(g->c, CLI_USAGE, "cannot read %s: %s", full, strerror(errno));
        return;
    }
    g->files[g->count++] = (ow_archive_file){
        .path = ow_arena_strdup_in(g->c->arena, path), .bytes = (uint8_t *)bytes, .size = size};
}

static void gather(gathering *g, const char *inner, int depth);

static void gather_entry(gathering *g, const char *inner, const char *name, int depth) {
    ow_arena *arena = g->c->arena;
    const char *path =
        ow_arena_printf_in(arena, "%s%s%s", inner, inner[0] != '\0' ? "/" : "", name);
    const char *full = ow_arena_printf_in(arena, "%s/%s", g->folder, path);
    struct stat about;
    if (name[0] == '.' || stat(full, &about) != 0) {
        return;
    }
    if (S_ISDIR(about.st_mode)) {
        gather(g, path, depth + 1);
    } else if (S_ISREG(about.st_mode) && belongs(g, path)) {
        take_file(g, path);
    }
}

static void gather(gathering *g, const char *inner, int depth) {
    const char *full = ow_arena_printf_in(g->c->arena, "%s/%s", g->folder, inner);
    DIR *dir = depth < FOLDER_DEPTH_MAX ? opendir(full) : NULL;
    struct dirent *entry;
    while (dir != NULL && g->code == CLI_OK && (entry = readdir(dir)) != NULL) {
        gather_entry(g, inner, entry->d_name, depth);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static cli_exit pack(cli *c, const gathering *g, cli_bundle *bundle) {
    ow_err err;
    if (ow_archive_write(g->files, g->count, &bundle->bytes, &bundle->size, &err) != OW_OK) {
        return cli_fail(c, CLI_USAGE, "%s: %s", g->folder, err.message);
    }
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(bundle->bytes, bundle->size, digest);
    ow_hex_encode(digest, sizeof digest, bundle->sha256);
    return CLI_OK;
}

static cli_exit read_manifest(cli *c, const char *folder, ow_json **ret_manifest) {
    const char *path = ow_arena_printf_in(c->arena, "%s/" MANIFEST, folder);
    size_t size;
    char *text = cli_read_file(c, path, 1 << 20, &size);
    ow_err err;
    if (text == NULL) {
        return cli_fail(c, CLI_USAGE, "%s: %s. A virtual server is a folder with a " MANIFEST, path,
                        strerror(errno));
    }
    if (ow_json_parse(text, size, 16, ret_manifest, &err) != OW_OK) {
        return cli_fail(c, CLI_USAGE, "%s: %s", path, err.message);
    }
    return CLI_OK;
}

cli_exit cli_bundle_read(cli *c, const char *folder, cli_bundle *ret_bundle) {
    ow_json *manifest = NULL;
    cli_exit code = read_manifest(c, folder, &manifest);
    if (code != CLI_OK) {
        return code;
    }
    gathering g = {.c = c, .folder = folder, .patterns = ow_json_get(manifest, "files")};
    const char *name = ow_json_string(ow_json_get(manifest, "name"));
    g.files = ow_arena_calloc(c->arena, OW_ARCHIVE_FILES_MAX, sizeof *g.files);
    if (name == NULL) {
        code = cli_fail(c, CLI_USAGE, "%s/" MANIFEST " has no \"name\"", folder);
    } else if (g.files == NULL) {
        code = cli_fail(c, CLI_FAILED, "out of memory");
    } else {
        gather(&g, "", 0);
        code = g.code;
    }
    cli_bundle bundle = {.name = name != NULL ? ow_arena_strdup_in(c->arena, name) : NULL};
    ow_json_free(manifest);
    if (code == CLI_OK) {
        code = pack(c, &g, &bundle);
    }
    if (code == CLI_OK) {
        *ret_bundle = bundle;
    }
    return code;
}

void cli_bundle_deinit(cli_bundle *bundle) {
    free(bundle->bytes);
    bundle->bytes = NULL;
}

// Other uploads came in between. Sending a bundle again does no harm.
static bool is_in_the_way(const ow_client_error *error) {
    static const char *const reasons[] = {"upload_busy", "no_upload", "bad_offset",
                                          "too_many_uploads"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(error->reason, reasons[i]) == 0) {
            return true;
        }
    }
    return false;
}

cli_exit cli_bundle_upload(cli *c, const cli_bundle *bundle) {
    cli_exit code = c->client != NULL ? CLI_OK : cli_connect(c);
    if (code != CLI_OK) {
        return code;
    }
    ow_client_request request = {
        .method = "PUT",
        .path = ow_arena_printf_in(c->arena, "/v1/bundles/%s", bundle->sha256),
        .content_type = "application/x-tar",
        .body = bundle->bytes,
        .size = bundle->size,
    };
    ow_client_error error;
    bool ok = ow_client_send(c->client, &request, NULL, &error);
    for (int again = 1; !ok && is_in_the_way(&error) && again < UPLOAD_ATTEMPTS; again++) {
        nanosleep(&(struct timespec){.tv_nsec = UPLOAD_PAUSE_NS}, NULL);
        ok = ow_client_send(c->client, &request, NULL, &error);
    }
    return ok ? CLI_OK : cli_tell(c, &error);
}
