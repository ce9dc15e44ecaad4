/* One tap as libfreefare makes it, timed: find the band, open an application with an AES key, read enciphered files.
 *
 * usage: freefare_tap AID SLOT RUNS FILE OFFSET SIZE [FILE OFFSET SIZE]... < KEY        all decimal but AID and KEY, in hexadecimal
 *
 * The device is libnfc's default one (LIBNFC_DEFAULT_DEVICE). It prints the content that was read once, then the nanoseconds of
 * each run, a line each; what fails is said, and ends it with 1.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <freefare.h>
#include <nfc/nfc.h>

static int bytes_of(const char *text, uint8_t *into, size_t size) {
  for (size_t at = 0; at < size; at++) {
    unsigned value;
    if (sscanf(text + 2 * at, "%2x", &value) != 1) {
      return -1;
    }
    into[at] = (uint8_t)value;
  }
  return 0;
}

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int failed(const char *what) {
  fprintf(stderr, "%s failed\n", what);
  return 1;
}

int main(int count, char **words) {
  uint8_t raw[3], key_bytes[16], content[1024];
  char typed[64];
  if (count < 7 || (count - 4) % 3 || bytes_of(words[1], raw, 3) || !fgets(typed, sizeof typed, stdin) || bytes_of(typed, key_bytes, 16)) {
    return failed("reading the command line");
  }
  int slot = atoi(words[2]), runs = atoi(words[3]), held = 0;
  MifareDESFireAID aid = mifare_desfire_aid_new(raw[0] | raw[1] << 8 | raw[2] << 16);
  MifareDESFireKey key = mifare_desfire_aes_key_new(key_bytes);
  nfc_context *context;
  nfc_init(&context);
  nfc_device *device = context ? nfc_open(context, NULL) : NULL;
  if (!device) {
    return failed("opening the reader");
  }
  for (int run = 0; run < runs; run++) {
    long long begun = now_ns();
    MifareTag *tags = freefare_get_tags(device);
    if (!tags || !tags[0]) {
      return failed("finding the band");
    }
    if (mifare_desfire_connect(tags[0]) < 0) {
      return failed("connecting");
    }
    if (mifare_desfire_select_application(tags[0], aid) < 0) {
      return failed("selecting the application");
    }
    if (mifare_desfire_authenticate(tags[0], slot, key) < 0) {
      return failed("authenticating");
    }
    held = 0;
    for (int at = 4; at < count; at += 3) {
      int file = atoi(words[at]), offset = atoi(words[at + 1]), size = atoi(words[at + 2]);
      if (offset < 0 || size < 1 || held + size > (int)sizeof content - 64) {
        return failed("reading so much");
      }
      if (mifare_desfire_read_data_ex(tags[0], file, offset, size, content + held, MDCM_ENCIPHERED) != size) {
        return failed("reading");
      }
      held += size;
    }
    long long took = now_ns() - begun;
    if (!run) {
      for (int at = 0; at < held; at++) {
        printf("%02x", content[at]);
      }
      printf("\n");
    }
    printf("%lld\n", took);
    mifare_desfire_disconnect(tags[0]);
    freefare_free_tags(tags);
  }
  nfc_close(device);
  nfc_exit(context);
  return 0;
}
