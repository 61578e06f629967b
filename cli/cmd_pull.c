// ow vs pull: a version of a virtual server as a folder, to be kept elsewhere, or changed and deployed again.

#include "cli/contents.h"
#include "cli/rpc.h"
#include "core/crypto/hash.h"

#include "overworld/registry/v1/registry.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define REGISTRY "/overworld.registry.v1.Registry/"

typedef Overworld__Registry__V1__GetRevisionResponse Revision;

typedef struct pulling {
    cli *c;
    const char *folder;
    cli_contents from;
    const Revision *revision;
    ow_archive_file *files; // as many as the revision has, in its order
} pulling;

static cli_exit cannot(const cli *c, const char *what, const char *path) {
    return cli_fail(c, CLI_FAILED, "cannot %s %s: %s", what, path, strerror(errno));
}

// All files are here before one is written, each as its hash says.
static cli_exit fetch_one(pulling *p, size_t i) {
    const Overworld__Registry__V1__BundleFile *about = p->revision->files[i];
    uint8_t digest[OW_SHA256_SIZE];
    char hex[OW_SHA256_HEX_SIZE];
    ow_archive_file file = {.path = about->path};
    ow_err err;
    if (ow_archive_check_path(about->path, &err) != OW_OK) {
        return cli_fail(p->c, CLI_FAILED, "%s", err.message);
    }
    cli_exit code = cli_contents_file(p->c, &p->from, about->path, &file.bytes, &file.size);
    if (code != CLI_OK) {
        return code;
    }
    ow_sha256(file.bytes, file.size, digest);
    ow_hex_encode(digest, sizeof digest, hex);
    if (strcmp(hex, about->sha256) != 0) {
        return cli_fail(p->c, CLI_CONFLICT, "%s was deployed anew meanwhile: try again",
                        p->from.server);
    }
    p->files[i] = file;
    return CLI_OK;
}

// Nothing that is there is overwritten.
static cli_exit make_folder(const pulling *p) {
    if (mkdir(p->folder, 0777) == 0) {
        return CLI_OK;
    }
    DIR *dir = errno == EEXIST ? opendir(p->folder) : NULL;
    if (dir == NULL) {
        return cannot(p->c, "make", p->folder);
    }
    bool is_empty = true;
    for (struct dirent *entry; is_empty && (entry = readdir(dir)) != NULL;) {
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    closedir(dir);
    return is_empty ? CLI_OK
                    : cli_fail(p->c, CLI_USAGE, "%s is not empty: name a new folder", p->folder);
}

static cli_exit make_parents(const pulling *p, char *path) {
    for (char *slash = path + strlen(p->folder) + 1; (slash = strchr(slash, '/')) != NULL;
         *slash++ = '/') {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            return cannot(p->c, "make", path);
        }
    }
    return CLI_OK;
}

static cli_exit write_one(const pulling *p, const ow_archive_file *file) {
    char *path = ow_arena_printf_in(p->c->arena, "%s/%s", p->folder, file->path);
    if (path == NULL) {
        return cli_fail(p->c, CLI_FAILED, "out of memory");
    }
    cli_exit code = make_parents(p, path);
    FILE *out = code == CLI_OK ? fopen(path, "wbxe") : NULL;
    if (out == NULL) {
        return code != CLI_OK ? code : cannot(p->c, "make", path);
    }
    bool whole = fwrite(file->bytes, 1, file->size, out) == file->size;
    return fclose(out) == 0 && whole ? CLI_OK : cannot(p->c, "write", path);
}

static cli_exit pull_files(pulling *p) {
    size_t count = p->revision->n_files;
    p->files = ow_arena_calloc(p->c->arena, count + 1, sizeof *p->files);
    cli_exit code = p->files != NULL ? CLI_OK : cli_fail(p->c, CLI_FAILED, "out of memory");
    for (size_t i = 0; code == CLI_OK && i < count; i++) {
        code = fetch_one(p, i);
    }
    if (code == CLI_OK) {
        code = make_folder(p);
    }
    for (size_t i = 0; code == CLI_OK && i < count; i++) {
        code = write_one(p, &p->files[i]);
    }
    return code;
}

static cli_exit cmd_vs_pull(cli *c) {
    Overworld__Registry__V1__GetRevisionRequest request =
        OVERWORLD__REGISTRY__V1__GET_REVISION_REQUEST__INIT;
    Revision *found;
    request.virtual_server = (char *)(uintptr_t)c->args[0];
    request.version = cli_text_or(c, "version", "$LATEST");
    cli_exit code =
        cli_rpc(c, REGISTRY "GetRevision", &request.base,
                &overworld__registry__v1__get_revision_response__descriptor, true, &found);
    if (code != CLI_OK) {
        return code;
    }
    pulling p = {
        .c = c,
        .folder = c->args[1],
        .from = {.server = c->args[0], .version = request.version},
        .revision = found,
    };
    code = pull_files(&p);
    if (code == CLI_OK && !c->json) {
        printf("%s: %zu files of %s %.12s\n", p.folder, found->n_files, request.version,
               found->revision->revision_id);
        cli_say(c, "next: ow vs deploy %s --based-on %s", p.folder, found->revision->revision_id);
    }
    return code;
}

// ---- The table ----

static const cli_flag pull_flags[] = {
    {"version", CLI_FLAG_TEXT, "VERSION", "a number; default: $LATEST"},
    {0},
};

const cli_command pull_commands[] = {
    {"vs pull", "NAME DIR", "write the files of $LATEST, or of a version, into a new folder", 2, 2,
     pull_flags, cmd_vs_pull, "ow vs pull chat chat"},
    {0},
};
