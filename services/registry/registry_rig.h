#pragma once

// What the tests of the registry share: the service on its stage with a fake runner, and the calls
// that most of them make.

#include "services/registry/fake_runner.h"
#include "services/registry/messages.h"
#include "tests/stage/stage.h"

#include "core/crypto/hash.h"

#define SERVICE (&overworld__registry__v1__registry__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))

// A manifest of "chat": moderate with that exposure, self-test, one data file.
#define MANIFEST(exposure)                                                                         \
    "{\"name\":\"chat\",\"runtime\":\"c\",\"functions\":{\"moderate\":{\"exposure\":\"" exposure   \
    "\"},\"self-test\":{}},\"files\":[\"words.txt\"],\"env\":{\"MODE\":\"x\"}}"

enum { SEEN_MAX = 200 };

typedef struct fixture {
    stage stage;
    fake_runner runner;
    char sha256[OW_SHA256_HEX_SIZE]; // of the last bundle
    // What a watcher was told.
    ow_call *watch;
    char seen[SEEN_MAX][100];
    int seen_count;
    bool watch_ended;
    int64_t last_sequence;
} fixture;

extern const stage_caller admin, viewer, platform;

// Opens the fixture with calls over the channel.
int rig_set_up(void **state, ow_channel_kind channel);
int rig_tear_down(void **state);
// As an administrator. NULL: failed, see f->stage.err.
void *call(fixture *f, const char *method, const void *request);
void *must_call(fixture *f, const char *method, const void *request);
void expect_failure(fixture *f, const char *method, const void *request, ow_code code,
                    const char *reason);
title_msg *create_title(fixture *f, const char *name, const char *key);
server_msg *create_server(fixture *f, const char *name);
server_msg *get_server(fixture *f, const char *name);
void *put_chunk(fixture *f, const char *sha256, const uint8_t *bytes, size_t offset, size_t size,
                size_t total);
void hash_hex(const void *bytes, size_t size, char *ret_hex);
// Makes the bundle of main.c, virtualserver.json and words.txt and uploads it.
void upload(fixture *f, const char *manifest, const char *source, const char *words);
deploy_request deploy_of(fixture *f);
deploy_response *deploy(fixture *f, bool publish);
