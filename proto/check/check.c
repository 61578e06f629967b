// check SET.pb: refuses a FileDescriptorSet whose protos break the rules of our APIs. Run by the
// build wherever descriptors are made, so that a violation is a build failure.
//
//  - every method has an access rule (option overworld.api.access) that names somebody;
//  - no message contains itself, directly or through others: protobuf-c's parser has no depth limit;
//  - no proto3 `optional` (protoc-c cannot do it), no map fields (they lose their meaning in C);
//  - streams flow from the server only.
//
// The packages google.* and grpc.* are other people's definitions: only recursion matters there, and
// only when a message of ours leads to it.

#include <google/protobuf/descriptor.pb-c.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACCESS_OPTION = 50001, // proto/overworld/api/access.proto
    MESSAGES_MAX = 4096,
    NAME_MAX_BYTES = 512,
};

typedef Google__Protobuf__FileDescriptorSet file_set;
typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__MethodDescriptorProto method_proto;

typedef struct message_entry {
    char name[NAME_MAX_BYTES]; // as fields refer to it: ".package.Message"
    const message_proto *message;
    enum { NEW, OPEN, DONE } visit;
} message_entry;

typedef struct checker {
    message_entry *messages;
    size_t count;
    int problems;
} checker;

static void complain(checker *c, const char *where, const char *what) {
    fprintf(stderr, "%s: %s\n", where, what);
    c->problems++;
}

static bool is_foreign(const char *package) {
    return package != NULL &&
           (strncmp(package, "google.", 7) == 0 || strncmp(package, "grpc.", 5) == 0);
}

// A rule that lists nobody would shut everybody out by mistake: `allow` is written, so the option
// has at least two bytes of content behind its length.
static bool has_access_rule(const method_proto *method) {
    if (method->options == NULL) {
        return false;
    }
    const ProtobufCMessage *options = &method->options->base;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag == ACCESS_OPTION && field->len > 2) {
            return true;
        }
    }
    return false;
}

static void check_services(checker *c, const file_proto *file) {
    for (size_t s = 0; s < file->n_service; s++) {
        for (size_t m = 0; m < file->service[s]->n_method; m++) {
            const method_proto *method = file->service[s]->method[m];
            char where[NAME_MAX_BYTES];
            snprintf(where, sizeof where, "%s: %s.%s", file->name, file->service[s]->name,
                     method->name);
            if (!has_access_rule(method)) {
                complain(c, where, "has no access rule (option (overworld.api.access))");
            }
            if (method->has_client_streaming && method->client_streaming) {
                complain(c, where, "streams from the client; calls have one request");
            }
        }
    }
}

static void add_messages(checker *c, const char *prefix, message_proto **messages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (c->count == MESSAGES_MAX) {
            complain(c, prefix, "too many messages for this check");
            return;
        }
        message_entry *entry = &c->messages[c->count++];
        entry->message = messages[i];
        int length = snprintf(entry->name, sizeof entry->name, "%s.%s", prefix, messages[i]->name);
        if (length >= (int)sizeof entry->name) {
            complain(c, entry->name, "has too long a name");
        }
        add_messages(c, entry->name, messages[i]->nested_type, messages[i]->n_nested_type);
    }
}

static void check_fields(checker *c, const message_entry *entry) {
    const message_proto *message = entry->message;
    if (message->options != NULL && message->options->has_map_entry &&
        message->options->map_entry) {
        complain(c, entry->name, "is a map; write a repeated message with a key");
    }
    for (size_t i = 0; i < message->n_field; i++) {
        if (message->field[i]->has_proto3_optional && message->field[i]->proto3_optional) {
            char where[2 * NAME_MAX_BYTES];
            snprintf(where, sizeof where, "%s.%s", entry->name, message->field[i]->name);
            complain(c, where, "is `optional`, which protoc-c cannot do; use a message or a oneof");
        }
    }
}

static message_entry *find_message(checker *c, const char *name) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->messages[i].name, name) == 0) {
            return &c->messages[i];
        }
    }
    return NULL;
}

// Depth-first; meeting an open one again is a cycle. No deeper than there are messages.
static void check_recursion(checker *c, message_entry *entry) {
    entry->visit = OPEN;
    for (size_t i = 0; i < entry->message->n_field; i++) {
        const field_proto *field = entry->message->field[i];
        message_entry *next = field->type_name == NULL ? NULL : find_message(c, field->type_name);
        if (next == NULL || next->visit == DONE) {
            continue;
        }
        if (next->visit == OPEN) {
            char where[2 * NAME_MAX_BYTES];
            snprintf(where, sizeof where, "%s.%s", entry->name, field->name);
            complain(c, where, "makes a message contain itself; free-form data travels as text");
            continue;
        }
        check_recursion(c, next);
    }
    entry->visit = DONE;
}

static void check_set(checker *c, const file_set *set) {
    for (size_t f = 0; f < set->n_file; f++) {
        const file_proto *file = set->file[f];
        char prefix[NAME_MAX_BYTES];
        bool named = file->package != NULL && file->package[0] != '\0';
        snprintf(prefix, sizeof prefix, "%s%s", named ? "." : "", named ? file->package : "");
        size_t first = c->count;
        add_messages(c, prefix, file->message_type, file->n_message_type);
        if (is_foreign(file->package)) {
            continue;
        }
        check_services(c, file);
        for (size_t i = first; i < c->count; i++) {
            check_fields(c, &c->messages[i]);
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->messages[i].visit == NEW && !is_foreign(c->messages[i].name + 1)) {
            check_recursion(c, &c->messages[i]);
        }
    }
}

static uint8_t *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    enum { SIZE_LIMIT = 16 << 20 };
    uint8_t *bytes = malloc(SIZE_LIMIT);
    *ret_size = bytes == NULL ? 0 : fread(bytes, 1, SIZE_LIMIT, file);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    size_t size = 0;
    uint8_t *bytes = argc == 2 ? read_file(argv[1], &size) : NULL;
    file_set *set =
        bytes == NULL ? NULL : google__protobuf__file_descriptor_set__unpack(NULL, size, bytes);
    checker c = {.messages = calloc(MESSAGES_MAX, sizeof *c.messages)};
    if (set == NULL || c.messages == NULL) {
        fprintf(stderr, "usage: check FILE, a serialized FileDescriptorSet\n");
        c.problems = 1;
    } else {
        check_set(&c, set);
    }
    if (set != NULL) {
        google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    }
    free(c.messages);
    free(bytes);
    return c.problems == 0 ? 0 : 1;
}
