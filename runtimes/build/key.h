#pragma once

#include "runtimes/build/build.h"

// ow_build_key, with the machine's files looked up below `root` ("" for the machine itself).
ow_code toolchain_key(const char *root, const char *binary, char ret_key[static OW_BUILD_KEY_SIZE],
                      ow_err *err);
