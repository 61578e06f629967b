#pragma once

// Serves the probe on a socket in `folder` until SIGTERM, or until the parent ends; returns what
// main is to return.
int peer_main(const char *folder);
