#include "runtimes/wire/region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOST_PAGE_LENGTH ((size_t)4096)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static int close_failed(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int create(const char *name, size_t length, int seals) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, (off_t)length) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0) {
        return close_failed(fd);
    }
    return fd;
}

int ow_region_create(void) {
    return create("ow-region", OW_REGION_LENGTH, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

int ow_region_host_page_create(ow_region_host_page **ret_page) {
    int fd = create("ow-host", HOST_PAGE_LENGTH, F_SEAL_SHRINK | F_SEAL_GROW);
    if (fd < 0) {
        return -1;
    }
    void *page = mmap(NULL, HOST_PAGE_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        return close_failed(fd);
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
        munmap(page, HOST_PAGE_LENGTH);
        return close_failed(fd);
    }
    *ret_page = page;
    return fd;
}

ow_region *ow_region_map(int fd) {
    void *at =
        mmap(NULL, OW_REGION_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

const ow_region_host_page *ow_region_host_page_map(int fd) {
    void *at = mmap(NULL, HOST_PAGE_LENGTH, PROT_READ, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

ow_region *ow_region_unmap(ow_region *region) {
    if (region) {
        munmap(region, OW_REGION_LENGTH);
    }
    return NULL;
}

ow_region_host_page *ow_region_host_page_unmap(const ow_region_host_page *page) {
    if (page) {
        munmap((void *)page, HOST_PAGE_LENGTH);
    }
    return NULL;
}

void ow_region_release(uint8_t *at, size_t length) {
    if (length > OW_REGION_SMALL) {
        size_t pages = (length + 4095) & ~(size_t)4095;
        // Best effort: it only saves memory.
        (void)madvise(at, pages, MADV_REMOVE);
    }
}
