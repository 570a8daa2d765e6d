/* A file system for SQLite that fails on demand and remembers what was written: the Lua module
 * `njfault` of the specs in spec/torture. Nothing of it is in nightjar. It becomes SQLite's default,
 * so that the library runs unchanged on it. One thread at a time. */
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum kind {
  OPEN,
  DELETE,
  ACCESS,
  SIZE,
  READ,
  WRITE,
  FULL, /* a write, too: half of it arrives, then the disk is full */
  TRUNCATE,
  SYNC,
  LOCK, /* another process holds the lock */
  UNLOCK,
  SHM_MAP,
  SHM_LOCK,
  ALLOCATE,     /* SQLite's memory */
  ALLOCATE_LUA, /* Lua's memory */
  KINDS
};

static const char *const names[] = {
    "open", "delete", "access", "size",    "read",     "write",    "full",         "truncate",
    "sync", "lock",   "unlock", "shm_map", "shm_lock", "allocate", "allocate_lua", NULL};

/* What happens next, and what happened since it was armed. */
static struct {
  int armed, kind, lasting, kill;
  long at, fired, calls[KINDS];
} plan;

static int fails(int kind) {
  if (!plan.armed)
    return 0;
  long n = ++plan.calls[kind];
  if (kind != plan.kind || (plan.lasting ? n < plan.at : n != plan.at))
    return 0;
  plan.fired++;
  if (plan.kill)
    raise(SIGKILL); /* the process ends here, as by kill -9 */
  return 1;
}

/* ---- what was written, in its order ---- */

typedef struct {
  char op; /* 'w'rite, 't'runcate, 's'ync, 'd'elete, 'D'elete and sync of the folder */
  char *path, *bytes;
  sqlite3_int64 at, size;
} entry;

static struct {
  int on;
  entry *entries;
  size_t n, room;
} record;

static void forget(void) {
  for (size_t i = 0; i < record.n; i++) {
    free(record.entries[i].path);
    free(record.entries[i].bytes);
  }
  free(record.entries);
  memset(&record, 0, sizeof record);
}

static void note(char op, const char *path, const void *bytes, sqlite3_int64 at, int size) {
  if (!record.on || !path)
    return;
  if (record.n == record.room) {
    record.room = record.room ? 2 * record.room : 256;
    record.entries = realloc(record.entries, record.room * sizeof *record.entries);
    if (!record.entries)
      abort();
  }
  entry *e = &record.entries[record.n++];
  *e = (entry){.op = op, .path = strdup(path), .at = at, .size = size};
  if (bytes && (e->bytes = malloc((size_t)size + 1)) != NULL)
    memcpy(e->bytes, bytes, (size_t)size);
}

/* ---- files ---- */

typedef struct {
  sqlite3_file base;
  const char *path; /* NULL for temporary files; SQLite keeps it alive */
  sqlite3_file *real;
} file;

static file *of(sqlite3_file *f) { return (file *)f; }
static sqlite3_file *real_of(sqlite3_file *f) { return of(f)->real; }

static int file_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }

static int file_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
  return fails(READ) ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static int write_through(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
  note('w', of(f)->path, from, at, n);
  return real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

static int file_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
  if (fails(WRITE))
    return SQLITE_IOERR_WRITE;
  if (!fails(FULL))
    return write_through(f, from, n, at);
  write_through(f, from, n / 2, at);
  return SQLITE_FULL;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
  if (fails(TRUNCATE))
    return SQLITE_IOERR_TRUNCATE;
  note('t', of(f)->path, NULL, size, 0);
  return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/* The disk is not waited for: a power loss is made from the record. */
static int file_sync(sqlite3_file *f, int flags) {
  (void)flags;
  if (fails(SYNC))
    return SQLITE_IOERR_FSYNC;
  note('s', of(f)->path, NULL, 0, 0);
  return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size) {
  return fails(SIZE) ? SQLITE_IOERR_FSTAT : real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int file_lock(sqlite3_file *f, int level) {
  return fails(LOCK) ? SQLITE_BUSY : real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level) {
  int rc = real_of(f)->pMethods->xUnlock(real_of(f), level);
  return fails(UNLOCK) ? SQLITE_IOERR_UNLOCK : rc;
}

static int file_reserved(sqlite3_file *f, int *out) {
  return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg) {
  return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }

static int file_character(sqlite3_file *f) {
  return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **to) {
  return fails(SHM_MAP) ? SQLITE_IOERR_SHMMAP
                        : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, to);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
  if ((flags & SQLITE_SHM_LOCK) && fails(SHM_LOCK))
    return SQLITE_BUSY;
  return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }

static int file_shm_unmap(sqlite3_file *f, int delete) {
  return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

/* Version 2: no memory mapping of the file, so that every read is seen. */
static const sqlite3_io_methods methods = {2,
                                           file_close,
                                           file_read,
                                           file_write,
                                           file_truncate,
                                           file_sync,
                                           file_size,
                                           file_lock,
                                           file_unlock,
                                           file_reserved,
                                           file_control,
                                           file_sector,
                                           file_character,
                                           file_shm_map,
                                           file_shm_lock,
                                           file_shm_barrier,
                                           file_shm_unmap,
                                           NULL,
                                           NULL};

/* ---- the file system ---- */

static sqlite3_vfs *real(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out) {
  f->pMethods = NULL;
  if (fails(OPEN))
    return SQLITE_CANTOPEN;
  of(f)->path = path;
  of(f)->real = (sqlite3_file *)(of(f) + 1);
  int rc = real(vfs)->xOpen(real(vfs), path, of(f)->real, flags, out);
  if (of(f)->real->pMethods)
    f->pMethods = &methods;
  return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
  if (fails(DELETE))
    return SQLITE_IOERR_DELETE;
  note(sync_folder ? 'D' : 'd', path, NULL, 0, 0);
  return real(vfs)->xDelete(real(vfs), path, 0);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
  return fails(ACCESS) ? SQLITE_IOERR_ACCESS : real(vfs)->xAccess(real(vfs), path, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out) {
  return real(vfs)->xFullPathname(real(vfs), path, n, out);
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out) {
  return real(vfs)->xRandomness(real(vfs), n, out);
}

/* A busy handler does not wait here: schedules run on one thread, so nobody would come. */
static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
  (void)vfs;
  return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, double *out) {
  return real(vfs)->xCurrentTime(real(vfs), out);
}

static int vfs_error(sqlite3_vfs *vfs, int n, char *out) {
  return real(vfs)->xGetLastError(real(vfs), n, out);
}

static sqlite3_vfs faulty = {.iVersion = 1,
                             .zName = "fault",
                             .xOpen = vfs_open,
                             .xDelete = vfs_delete,
                             .xAccess = vfs_access,
                             .xFullPathname = vfs_full_path,
                             .xRandomness = vfs_random,
                             .xSleep = vfs_sleep,
                             .xCurrentTime = vfs_time,
                             .xGetLastError = vfs_error};

/* ---- memory ---- */

static sqlite3_mem_methods heap;

static void *failing_malloc(int n) { return fails(ALLOCATE) ? NULL : heap.xMalloc(n); }
static void *failing_realloc(void *p, int n) {
  return fails(ALLOCATE) ? NULL : heap.xRealloc(p, n);
}

static lua_Alloc lua_heap;
static int retry; /* Lua collects its garbage and asks again: that fails, too */

static void *failing_lua(void *data, void *block, size_t old, size_t size) {
  int grows = size > (block ? old : 0);
  if (grows && retry) {
    retry = 0;
    return NULL;
  }
  if (grows && fails(ALLOCATE_LUA)) {
    retry = 1;
    return NULL;
  }
  return lua_heap(data, block, old, size);
}

/* ---- Lua ---- */

/* arm(kind, at, how): call number `at` of that kind fails; with "lasting" so do all behind it; with
 * "kill" the process is killed there. With no kind calls are only counted. */
static int l_arm(lua_State *L) {
  int kind = lua_isnoneornil(L, 1) ? KINDS : luaL_checkoption(L, 1, NULL, names);
  lua_Integer at = luaL_optinteger(L, 2, 1);
  static const char *const ways[] = {"once", "lasting", "kill", NULL};
  int how = luaL_checkoption(L, 3, "once", ways);
  void *data;
  if (!lua_heap && lua_getallocf(L, &data) != failing_lua) {
    lua_heap = lua_getallocf(L, &data);
    lua_setallocf(L, failing_lua, data);
  }
  memset(&plan, 0, sizeof plan);
  plan.kind = kind;
  plan.at = (long)at;
  plan.lasting = how == 1;
  plan.kill = how == 2;
  retry = 0;
  plan.armed = 1;
  return 0;
}

/* disarm(): how often it failed, and the calls of each kind by name. */
static int l_disarm(lua_State *L) {
  plan.armed = 0;
  retry = 0;
  lua_pushinteger(L, plan.fired);
  lua_createtable(L, 0, KINDS);
  for (int i = 0; i < KINDS; i++) {
    lua_pushinteger(L, plan.calls[i]);
    lua_setfield(L, -2, names[i]);
  }
  return 2;
}

/* record(): from now on what is written is remembered. */
static int l_record(lua_State *L) {
  (void)L;
  forget();
  record.on = 1;
  return 0;
}

/* recorded(): { { op, path, at, bytes }, … }, and ends it. */
static int l_recorded(lua_State *L) {
  record.on = 0;
  lua_createtable(L, (int)record.n, 0);
  for (size_t i = 0; i < record.n; i++) {
    const entry *e = &record.entries[i];
    lua_createtable(L, 0, 4);
    lua_pushlstring(L, &e->op, 1);
    lua_setfield(L, -2, "op");
    lua_pushstring(L, e->path);
    lua_setfield(L, -2, "path");
    lua_pushinteger(L, e->at);
    lua_setfield(L, -2, "at");
    lua_pushlstring(L, e->bytes ? e->bytes : "", e->bytes ? (size_t)e->size : 0);
    lua_setfield(L, -2, "bytes");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  forget();
  return 1;
}

static void push_value(lua_State *L, sqlite3_stmt *statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
  case SQLITE_INTEGER:
    lua_pushinteger(L, sqlite3_column_int64(statement, column));
    break;
  case SQLITE_FLOAT:
    lua_pushnumber(L, sqlite3_column_double(statement, column));
    break;
  case SQLITE_NULL:
    lua_pushboolean(L, 0); /* rows have no holes */
    break;
  default: {
    const char *bytes = sqlite3_column_blob(statement, column);
    lua_pushlstring(L, bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
  }
  }
}

/* query(path, sql): the rows of all statements, NULL as false, or nil and a message; by way of the
 * system's file system. */
static int l_query(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *sql = luaL_checkstring(L, 2);
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE,
                           faulty.pAppData ? real(&faulty)->zName : NULL);
  lua_settop(L, 2);
  lua_newtable(L);
  lua_Integer n = 0;
  while (rc == SQLITE_OK && *sql && (rc = sqlite3_prepare_v2(db, sql, -1, &statement, &sql)) == 0) {
    while (statement && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
      lua_createtable(L, sqlite3_column_count(statement), 0);
      for (int i = 0; i < sqlite3_column_count(statement); i++) {
        push_value(L, statement, i);
        lua_rawseti(L, -2, i + 1);
      }
      lua_rawseti(L, 3, ++n);
    }
    rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    sqlite3_finalize(statement);
    statement = NULL;
  }
  if (rc != SQLITE_OK) {
    lua_pushnil(L);
    lua_pushstring(L, sqlite3_errmsg(db));
  }
  sqlite3_close(db);
  return rc == SQLITE_OK ? 1 : 2;
}

static int install(lua_State *L) {
  static sqlite3_mem_methods failing;
  int rc = sqlite3_shutdown(); /* memory can be replaced only then; no library may be open */
  if (rc == SQLITE_OK)
    rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &heap);
  failing = heap;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  if (rc == SQLITE_OK)
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
  if (rc == SQLITE_OK)
    rc = sqlite3_initialize();
  sqlite3_vfs *system = rc == SQLITE_OK ? sqlite3_vfs_find(NULL) : NULL;
  if (!system)
    return luaL_error(L, "njfault: SQLite does not start: %s", sqlite3_errstr(rc));
  faulty.pAppData = system;
  faulty.szOsFile = (int)sizeof(file) + system->szOsFile;
  faulty.mxPathname = system->mxPathname;
  return sqlite3_vfs_register(&faulty, 1);
}

__attribute__((visibility("default"))) int luaopen_njfault(lua_State *L);

int luaopen_njfault(lua_State *L) {
  static const luaL_Reg functions[] = {{"arm", l_arm},       {"disarm", l_disarm},
                                       {"record", l_record}, {"recorded", l_recorded},
                                       {"query", l_query},   {NULL, NULL}};
  if (!faulty.pAppData)
    install(L);
  luaL_newlib(L, functions);
  lua_pushstring(L, sqlite3_libversion());
  lua_setfield(L, -2, "version");
  return 1;
}
