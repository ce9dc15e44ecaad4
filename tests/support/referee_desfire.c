/* A judge of a DESFire that knows nothing of us: everything libfreefare can do to one, and whether it went as it should.
 *
 * usage: referee_desfire des|3des|3des-iso|3k3des|aes
 *        referee_desfire read|value|records|write AID SLOT KEY FILE SIZE|CONTENT
 *
 * The second form opens an application with an AES key and prints one enciphered file in hexadecimal (all of it, its
 * value, or its records, the oldest first; SIZE bytes are read), or writes CONTENT at its start. It prints one line.
 *
 * The first form makes an application with keys of that kind on an empty chip, changes keys, makes every kind of file, writes and reads
 * them plainly, with MACs and enciphered, carries transactions through and drops others, and takes everything away again.
 * It prints one line a step: "ok NAME" or "failed NAME: what the chip said". Both end with 0 when all was ok.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <freefare.h>
#include <nfc/nfc.h>

#define SIZE 130
#define ROOM (SIZE + 64)
/* Three records are no whole blocks: there libfreefare 0.4.0 checks a D40 MAC over one block too many, and it finds no
 * checksum before a whole block of padding. */
#define RECORD_SIZE 22

static MifareTag tag;
static int n_failed;

static void check(const char *name, int is_good) {
  if (is_good) {
    printf("ok %s\n", name);
  } else {
    printf("failed %s: chip says %02x, library says %02x\n", name, mifare_desfire_last_picc_error(tag),
           mifare_desfire_last_pcd_error(tag));
    n_failed++;
  }
}

static void named(const char *what, int mode, int is_good) {
  char name[64];
  const char *how = mode == MDCM_PLAIN ? "plain" : mode == MDCM_MACED ? "with MAC" : "enciphered";
  snprintf(name, sizeof name, "%s, %s", what, how);
  check(name, is_good);
}

static uint8_t filler[24] = {0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98, 0xa9, 0xba, 0xcb,
                             0xdc, 0xed, 0xfe, 0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x8d};

static MifareDESFireKey key_of(const char *kind, int is_new) {
  uint8_t value[24];
  memset(value, 0, sizeof value);
  if (is_new) {
    memcpy(value, filler, sizeof value);
  }
  if (!strcmp(kind, "aes")) {
    return mifare_desfire_aes_key_new_with_version(value, is_new ? 0x42 : 0);
  }
  if (!strcmp(kind, "3k3des")) {
    return mifare_desfire_3k3des_key_new_with_version(value);
  }
  if (!strncmp(kind, "3des", 4) && is_new) {
    return mifare_desfire_3des_key_new_with_version(value);
  }
  return mifare_desfire_des_key_new_with_version(value);
}

static int authenticated(const char *kind, uint8_t number, MifareDESFireKey key) {
  if (!strcmp(kind, "aes")) {
    return !mifare_desfire_authenticate_aes(tag, number, key);
  }
  if (!strcmp(kind, "3k3des") || !strcmp(kind, "3des-iso")) {
    return !mifare_desfire_authenticate_iso(tag, number, key);
  }
  return !mifare_desfire_authenticate(tag, number, key); /* the legacy one */
}

static int created(const char *kind, MifareDESFireAID aid) {
  if (!strcmp(kind, "aes")) {
    return !mifare_desfire_create_application_aes(tag, aid, 0x0f, 3);
  }
  if (!strcmp(kind, "3k3des")) {
    return !mifare_desfire_create_application_3k3des(tag, aid, 0x0f, 3);
  }
  return !mifare_desfire_create_application(tag, aid, 0x0f, 3);
}

static void data(uint8_t number, int mode, int has_backup) {
  uint8_t content[SIZE], found[ROOM];
  for (int at = 0; at < SIZE; at++) {
    content[at] = (uint8_t)(at * 7 + mode + number);
  }
  uint16_t rights = MDAR(MDAR_KEY1, MDAR_KEY1, MDAR_KEY1, MDAR_KEY1);
  int made = has_backup ? mifare_desfire_create_backup_data_file(tag, number, (uint8_t)mode, rights, SIZE)
                        : mifare_desfire_create_std_data_file(tag, number, (uint8_t)mode, rights, SIZE);
  named(has_backup ? "create backup file" : "create standard file", mode, !made);
  named("write", mode, mifare_desfire_write_data(tag, number, 0, SIZE, content) >= SIZE);
  if (has_backup) {
    named("commit a backup file", mode, !mifare_desfire_commit_transaction(tag));
  }
  memset(found, 0, sizeof found);
  named("read", mode, mifare_desfire_read_data(tag, number, 0, SIZE, found) == SIZE && !memcmp(found, content, SIZE));
  memset(found, 0, sizeof found);
  named("read a part", mode,
        mifare_desfire_read_data(tag, number, 3, 17, found) == 17 && !memcmp(found, content + 3, 17));
  memset(found, 0, sizeof found);
  named("read all there is", mode,
        mifare_desfire_read_data(tag, number, 0, 0, found) == SIZE && !memcmp(found, content, SIZE));
}

static void money(uint8_t number, int mode) {
  uint16_t rights = MDAR(MDAR_KEY1, MDAR_KEY1, MDAR_KEY1, MDAR_KEY1);
  int32_t value = -1;
  named("create value file", mode, !mifare_desfire_create_value_file(tag, number, MDCM_PLAIN, rights, -5, 1000, 100, 1));
  if (mode != MDCM_PLAIN) { /* libfreefare protects this create command as it never travels: so the mode comes after */
    named("change file settings", mode, !mifare_desfire_change_file_settings(tag, number, (uint8_t)mode, rights));
  }
  named("get value", mode, !mifare_desfire_get_value(tag, number, &value) && value == 100);
  named("credit", mode, !mifare_desfire_credit(tag, number, 50));
  named("a credit is not there before its commit", mode,
        !mifare_desfire_get_value(tag, number, &value) && value == 100);
  named("commit a credit", mode, !mifare_desfire_commit_transaction(tag));
  named("debit", mode, !mifare_desfire_debit(tag, number, 30));
  named("commit a debit", mode, !mifare_desfire_commit_transaction(tag));
  named("value is 120", mode, !mifare_desfire_get_value(tag, number, &value) && value == 120);
  named("limited credit", mode, !mifare_desfire_limited_credit(tag, number, 30));
  named("commit a limited credit", mode, !mifare_desfire_commit_transaction(tag));
  named("debit again", mode, !mifare_desfire_debit(tag, number, 99));
  named("abort", mode, !mifare_desfire_abort_transaction(tag));
  named("value is 150", mode, !mifare_desfire_get_value(tag, number, &value) && value == 150);
}

static void records(uint8_t number, int mode, int is_cyclic) {
  uint16_t rights = MDAR(MDAR_KEY1, MDAR_KEY1, MDAR_KEY1, MDAR_KEY1);
  uint8_t record[RECORD_SIZE], found[ROOM];
  int made = is_cyclic ? mifare_desfire_create_cyclic_record_file(tag, number, MDCM_PLAIN, rights, RECORD_SIZE, 4)
                       : mifare_desfire_create_linear_record_file(tag, number, MDCM_PLAIN, rights, RECORD_SIZE, 3);
  named(is_cyclic ? "create cyclic record file" : "create linear record file", mode, !made);
  if (mode != MDCM_PLAIN) {
    named("change file settings", mode, !mifare_desfire_change_file_settings(tag, number, (uint8_t)mode, rights));
  }
  int n_written = is_cyclic ? 5 : 3;
  for (int count = 1; count <= n_written; count++) {
    memset(record, count, sizeof record);
    named("write record", mode, mifare_desfire_write_record(tag, number, 0, RECORD_SIZE, record) >= RECORD_SIZE);
    named("commit a record", mode, !mifare_desfire_commit_transaction(tag));
  }
  struct mifare_desfire_file_settings settings;
  named("three records are there", mode,
        !mifare_desfire_get_file_settings(tag, number, &settings) &&
            settings.settings.linear_record_file.current_number_of_records == 3);
  memset(found, 0, sizeof found);
  ssize_t size = mifare_desfire_read_records(tag, number, 0, 0, found);
  named("read records, oldest first", mode,
        size == 3 * RECORD_SIZE && found[0] == n_written - 2 && found[RECORD_SIZE] == n_written - 1 &&
            found[2 * RECORD_SIZE] == n_written);
  named("clear records", mode, !mifare_desfire_clear_record_file(tag, number));
  named("commit the clearing", mode, !mifare_desfire_commit_transaction(tag));
  named("no record is there", mode,
        !mifare_desfire_get_file_settings(tag, number, &settings) &&
            settings.settings.linear_record_file.current_number_of_records == 0);
}

static void keys(const char *kind, MifareDESFireAID aid) {
  MifareDESFireKey zero = key_of(kind, 0), new = key_of(kind, 1);
  uint8_t version = 0xff, settings = 0, count = 0;
  uint8_t expected = strcmp(kind, "aes") ? mifare_desfire_key_get_version(new) : 0x42;
  check("select application", !mifare_desfire_select_application(tag, aid));
  check("refuse a wrong key", !authenticated(kind, 0, new) && mifare_desfire_last_picc_error(tag) == AUTHENTICATION_ERROR);
  check("authenticate with key 0", authenticated(kind, 0, zero));
  check("change key 1 by key 0", !mifare_desfire_change_key(tag, 1, new, zero));
  check("get key version", !mifare_desfire_get_key_version(tag, 1, &version) && version == expected);
  check("change key settings", !mifare_desfire_change_key_settings(tag, 0x0b));
  check("get key settings", !mifare_desfire_get_key_settings(tag, &settings, &count) && settings == 0x0b && count == 3);
  check("change settings back", !mifare_desfire_change_key_settings(tag, 0x0f));
  check("change key 0 by itself", !mifare_desfire_change_key(tag, 0, new, zero));
  check("refuse the old key", !authenticated(kind, 0, zero) && mifare_desfire_last_picc_error(tag) == AUTHENTICATION_ERROR);
  check("authenticate with the new key 0", authenticated(kind, 0, new));
  check("change key 0 back", !mifare_desfire_change_key(tag, 0, zero, new));
  check("authenticate with key 1", authenticated(kind, 1, new));
  mifare_desfire_key_free(zero);
  mifare_desfire_key_free(new);
}

static void files(void) {
  /* Enciphered comes first: libfreefare 0.4.0 takes 4 bytes too few for a CMAC, and then has taken enough already. */
  static const int modes[] = {MDCM_ENCIPHERED, MDCM_MACED, MDCM_PLAIN};
  for (uint8_t at = 0; at < 3; at++) {
    data((uint8_t)(1 + at), modes[at], 0);
    data((uint8_t)(4 + at), modes[at], 1);
    money((uint8_t)(7 + at), modes[at]);
    records((uint8_t)(10 + at), modes[at], 0);
    records((uint8_t)(13 + at), modes[at], 1);
  }
  uint8_t *numbers = NULL;
  size_t count = 0;
  check("list files", !mifare_desfire_get_file_ids(tag, &numbers, &count) && count == 15);
  free(numbers);
  check("delete a file", !mifare_desfire_delete_file(tag, 15));
  uint8_t found[ROOM];
  check("refuse a file that is not there", mifare_desfire_read_data_ex(tag, 15, 0, 1, found, MDCM_PLAIN) < 0 &&
                                               mifare_desfire_last_picc_error(tag) == FILE_NOT_FOUND);
}

static void chip(const char *kind, MifareDESFireAID aid) {
  uint8_t zeros[8] = {0};
  uint32_t free_before = 0, free_after = 0;
  char *uid = NULL;
  struct mifare_desfire_version_info version;
  MifareDESFireKey picc = mifare_desfire_des_key_new(zeros);
  check("authenticate with the chip's key", !mifare_desfire_authenticate(tag, 0, picc));
  check("free memory", !mifare_desfire_free_mem(tag, &free_before));
  check("create application", created(kind, aid));
  keys(kind, aid);
  check("get version in a session", !mifare_desfire_get_version(tag, &version) && version.uid[0] == 0x04);
  check("get true UID", !mifare_desfire_get_card_uid(tag, &uid));
  printf("uid %s\n", uid ? uid : "");
  free(uid);
  files();
  check("select the chip", !mifare_desfire_select_application(tag, NULL));
  check("authenticate with the chip's key again", !mifare_desfire_authenticate_iso(tag, 0, picc));
  check("delete application", !mifare_desfire_delete_application(tag, aid));
  check("memory is back", !mifare_desfire_free_mem(tag, &free_after) && free_after == free_before);
  MifareDESFireKey zero = key_of(kind, 0), new = key_of(kind, 1);
  check("give the chip a key of this kind", !mifare_desfire_change_key(tag, 0, new, picc));
  check("authenticate with it", authenticated(kind, 0, new));
  check("format", !mifare_desfire_format_picc(tag));
  check("authenticate after the format", authenticated(kind, 0, new));
  uint8_t ats[] = {0x07, 0x75, 0x77, 0x81, 0x02, 0x54, 0x54};
  check("set the ATS", !mifare_desfire_set_ats(tag, ats));
  check("set the default key", !mifare_desfire_set_default_key(tag, new));
  check("set the random UID", !mifare_desfire_set_configuration(tag, false, true));
  mifare_desfire_key_free(picc);
  mifare_desfire_key_free(zero);
  mifare_desfire_key_free(new);
}

static size_t bytes_of(const char *text, uint8_t *bytes, size_t size_max) {
  size_t size = strlen(text) / 2;
  for (size_t at = 0; at < size && at < size_max; at++) {
    unsigned int byte = 0;
    sscanf(text + 2 * at, "%2x", &byte);
    bytes[at] = (uint8_t)byte;
  }
  return size < size_max ? size : size_max;
}

static int said(const uint8_t *bytes, ssize_t size) {
  for (ssize_t at = 0; at < size; at++) {
    printf("%02x", bytes[at]);
  }
  printf("\n");
  return size >= 0;
}

static int one_file(const char *what, char *arguments[]) {
  uint8_t key_value[16] = {0}, content[1024] = {0};
  uint8_t number = (uint8_t)atoi(arguments[3]);
  MifareDESFireAID aid = mifare_desfire_aid_new((uint32_t)strtoul(arguments[0], NULL, 16));
  bytes_of(arguments[2], key_value, sizeof key_value);
  MifareDESFireKey key = mifare_desfire_aes_key_new(key_value);
  int is_good = !mifare_desfire_select_application(tag, aid) &&
                !mifare_desfire_authenticate_aes(tag, (uint8_t)atoi(arguments[1]), key);
  if (is_good && !strcmp(what, "read")) {
    size_t size = (size_t)atoi(arguments[4]);
    is_good = said(content, mifare_desfire_read_data_ex(tag, number, 0, size, content, MDCM_ENCIPHERED));
  } else if (is_good && !strcmp(what, "value")) {
    int32_t value = 0;
    is_good = !mifare_desfire_get_value_ex(tag, number, &value, MDCM_ENCIPHERED);
    printf("%d\n", value);
  } else if (is_good && !strcmp(what, "records")) {
    is_good = said(content, mifare_desfire_read_records_ex(tag, number, 0, 0, content, MDCM_ENCIPHERED));
  } else if (is_good) {
    size_t size = bytes_of(arguments[4], content, sizeof content);
    is_good = mifare_desfire_write_data_ex(tag, number, 0, size, content, MDCM_ENCIPHERED) >= (ssize_t)size;
    printf("%zu\n", size);
  }
  if (!is_good) {
    printf("failed: chip says %02x, library says %02x\n", mifare_desfire_last_picc_error(tag),
           mifare_desfire_last_pcd_error(tag));
    n_failed++;
  }
  mifare_desfire_key_free(key);
  free(aid);
  return is_good;
}

int main(int n_arguments, char *arguments[]) {
  if (n_arguments != 2 && n_arguments != 7) {
    fprintf(stderr, "usage: %s des|3des|3des-iso|3k3des|aes, or read|value|records|write AID SLOT KEY FILE SIZE|CONTENT\n",
            arguments[0]);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  nfc_context *context;
  nfc_init(&context);
  nfc_device *device = context ? nfc_open(context, NULL) : NULL;
  MifareTag *tags = device ? freefare_get_tags(device) : NULL;
  if (!tags || !tags[0] || freefare_get_tag_type(tags[0]) != DESFIRE) {
    fprintf(stderr, "no DESFire in the field\n");
    return 2;
  }
  tag = tags[0];
  if (n_arguments == 7) {
    n_failed += mifare_desfire_connect(tag) ? 1 : 0;
    one_file(arguments[1], arguments + 2);
    mifare_desfire_disconnect(tag);
  } else {
    check("connect", !mifare_desfire_connect(tag));
    MifareDESFireAID aid = mifare_desfire_aid_new(0x112233);
    chip(arguments[1], aid);
    free(aid);
    check("disconnect", !mifare_desfire_disconnect(tag));
  }
  freefare_free_tags(tags);
  nfc_close(device);
  nfc_exit(context);
  return n_failed ? 1 : 0;
}
