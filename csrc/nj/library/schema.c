/* What tables a catalogue has, and how those of earlier versions become them. */
#include <string.h>

#include "library/catalogue_internal.h"

#define APPLICATION_ID 0x6e6a6c62 /* "njlb" */
#define SCHEMA_VERSION 3

/* `id` of a sound is for ever its own (AUTOINCREMENT): other tables, and people, may refer to it. */
static const struct {
  const char *name, *sql;
} tables[] = {
    {"meta", "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL)"
             " WITHOUT ROWID"},
    {"sounds",
     "CREATE TABLE sounds(id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE,"
     " size INTEGER NOT NULL, mtime INTEGER NOT NULL, changed INTEGER NOT NULL,"
     " inode INTEGER NOT NULL, content TEXT, seconds REAL NOT NULL, state INTEGER NOT NULL,"
     " error TEXT, code TEXT, missing INTEGER NOT NULL, levels TEXT NOT NULL,"
     " vector_sum INTEGER, sum INTEGER NOT NULL, vector BLOB)"},
    {"segments", "CREATE TABLE segments(sound INTEGER PRIMARY KEY REFERENCES sounds(id)"
                 " ON DELETE CASCADE, times BLOB NOT NULL, vectors BLOB NOT NULL,"
                 " sum INTEGER NOT NULL)"},
    {"levels", "CREATE TABLE levels(id INTEGER PRIMARY KEY, sound INTEGER NOT NULL REFERENCES"
               " sounds(id) ON DELETE CASCADE, name TEXT NOT NULL, step REAL NOT NULL,"
               " scales BLOB NOT NULL, codes BLOB NOT NULL, weights BLOB, sum INTEGER NOT NULL,"
               " UNIQUE(sound, name))"},
    {"totals", "CREATE TABLE totals(name TEXT PRIMARY KEY, count INTEGER NOT NULL,"
               " sum INTEGER NOT NULL) WITHOUT ROWID"},
    {"claims", "CREATE TABLE claims(path TEXT PRIMARY KEY, owner TEXT NOT NULL,"
               " until INTEGER NOT NULL) WITHOUT ROWID"},
};
#define N_TABLES ((int)(sizeof tables / sizeof *tables))

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
static const char version_sql[] =
    "INSERT INTO totals VALUES('sounds', 0, 0);"
    "PRAGMA application_id = " STRINGIFY(APPLICATION_ID) ";"
                                                         "PRAGMA user_version = " STRINGIFY(
                                                             SCHEMA_VERSION) ";";

static nj_status make_tables(nj_catalogue *c) {
  for (int i = 0; i < N_TABLES; i++)
    NJ_TRY(nj_catalogue_run(c, tables[i].sql));
  return nj_catalogue_run(c, version_sql);
}

typedef struct {
  int64_t application, version, objects;
} kind;

static nj_status read_all_kind(nj_catalogue *c, kind *k) {
  NJ_TRY(nj_catalogue_number(c, "PRAGMA application_id", &k->application));
  NJ_TRY(nj_catalogue_number(c, "PRAGMA user_version", &k->version));
  return nj_catalogue_number(c, "SELECT count(*) FROM sqlite_master", &k->objects);
}

/* All of one moment: another process may be making the tables. */
static nj_status read_kind(nj_catalogue *c, kind *k) {
  if (!sqlite3_get_autocommit(c->db))
    return read_all_kind(c, k);
  NJ_TRY(nj_catalogue_snapshot(c));
  nj_status st = read_all_kind(c, k);
  return st ? nj_catalogue_give_up(c, st) : nj_catalogue_commit(c);
}

static int is_new(const kind *k) {
  return k->application == 0 && k->version == 0 && k->objects == 0;
}

/* ---- making one ---- */

/* Others may have made it between the look and the lock. */
static nj_status create(nj_catalogue *c, const nj_catalogue_options *options) {
  kind k;
  nj_status st = nj_catalogue_begin(c, -1);
  if (st)
    return st;
  st = read_kind(c, &k);
  if (!st && is_new(&k)) {
    st = make_tables(c);
    for (int i = 0; !st && i < options->n_notes; i++)
      st = nj_catalogue_set_meta(c, options->notes[i].key, options->notes[i].value);
  }
  if (!st)
    st = nj_catalogue_commit(c);
  return st ? nj_catalogue_give_up(c, st) : NJ_OK;
}

/* ---- earlier versions ---- */

/* Version 1 had no levels. Times were whole seconds, paths absolute, and there were no hashes of
 * contents: 0 and NULL, so that the next index looks at the bytes of each file, and encodes none. */
static const char move_rows[] =
    "INSERT INTO sounds SELECT id,"
    " CASE WHEN substr(CAST(path AS BLOB), 1, length(?1)) = ?1"
    "  THEN CAST(substr(CAST(path AS BLOB), length(?1) + 1) AS TEXT) ELSE path END,"
    " size, mtime * 1000000000, 0, 0, NULL, seconds, CASE WHEN vector IS NULL THEN 1 ELSE 0 END,"
    " error, NULL, 0, '', NULL, 0, vector FROM old_sounds";

static nj_status move_sounds(nj_catalogue *c) {
  sqlite3_stmt *statement = NULL;
  int row;
  NJ_TRY(nj_catalogue_prepare(c, move_rows, &statement));
  sqlite3_bind_blob64(statement, 1, c->folder, strlen(c->folder), SQLITE_TRANSIENT);
  nj_status st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  return st;
}

/* Checksums of what was moved. Of damage that they would hide only numbers that are none are seen. */
static nj_status seal_old(nj_catalogue *c) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, "SELECT id, vector FROM sounds ORDER BY id", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    int64_t id = sqlite3_column_int64(statement, 0);
    int has = sqlite3_column_type(statement, 1) != SQLITE_NULL;
    size_t bytes = (size_t)sqlite3_column_bytes(statement, 1);
    const void *blob = sqlite3_column_blob(statement, 1);
    if (has && bytes && bytes % sizeof(float) == 0 && nj_catalogue_finite(blob, bytes))
      st = nj_catalogue_run_ids(c, "UPDATE sounds SET vector_sum = ?2 WHERE id = ?1", 2, id,
                                nj_catalogue_blob_sum(blob, bytes));
    else if (has)
      st = nj_catalogue_run_ids(c, "UPDATE sounds SET state = 2, vector = NULL WHERE id = ?1", 1,
                                id, 0);
    if (!st)
      st = nj_catalogue_seal_part(c, "SELECT " NJ_SEGMENT_FIELDS " FROM segments WHERE sound = ?1",
                                  "UPDATE segments SET sum = ?2 WHERE sound = ?1",
                                  NJ_SEGMENT_N_FIELDS, id);
    if (!st)
      st = nj_catalogue_seal(c, id);
  }
  sqlite3_finalize(statement);
  return st;
}

static nj_status seal_old_levels(nj_catalogue *c) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, "SELECT id FROM levels ORDER BY id", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row)
    st = nj_catalogue_seal_part(c, "SELECT " NJ_LEVEL_FIELDS " FROM levels WHERE id = ?1",
                                "UPDATE levels SET sum = ?2 WHERE id = ?1", NJ_LEVEL_N_FIELDS,
                                sqlite3_column_int64(statement, 0));
  sqlite3_finalize(statement);
  return st;
}

static nj_status seal_old_meta(nj_catalogue *c) {
  char *mark = NULL;
  NJ_TRY(nj_catalogue_run(c, "INSERT INTO meta SELECT key, value, 0 FROM old_meta"));
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st =
      nj_catalogue_prepare(c, "SELECT value FROM old_meta WHERE key = 'model'", &statement);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  if (!st && row) {
    const char *text;
    st = nj_catalogue_text(c, statement, 0, &text);
    mark = !st && text ? nj_strdup(c->ctx, text) : NULL;
    st = st || mark || !text ? st : NJ_ENOMEM;
  }
  sqlite3_finalize(statement);
  if (!st && mark)
    st = nj_catalogue_set_meta(c, "model", mark);
  nj_free(c->ctx, mark);
  return st;
}

static nj_status move_everything(nj_catalogue *c, int64_t version) {
  NJ_TRY(nj_catalogue_run(c, "ALTER TABLE meta RENAME TO old_meta;"
                             "ALTER TABLE segments RENAME TO old_segments;"
                             "ALTER TABLE sounds RENAME TO old_sounds;"));
  if (version > 1)
    NJ_TRY(nj_catalogue_run(c, "ALTER TABLE levels RENAME TO old_levels"));
  NJ_TRY(make_tables(c));
  NJ_TRY(seal_old_meta(c));
  NJ_TRY(move_sounds(c));
  NJ_TRY(nj_catalogue_run(c, "INSERT INTO segments SELECT sound, times, vectors, 0"
                             " FROM old_segments WHERE sound IN (SELECT id FROM sounds)"));
  if (version > 1)
    NJ_TRY(nj_catalogue_run(
        c, "INSERT INTO levels SELECT id, sound, name, step, scales, codes, weights, 0"
           " FROM old_levels WHERE sound IN (SELECT id FROM sounds);"
           "UPDATE sounds SET levels = coalesce((SELECT group_concat(name, ',') FROM (SELECT name"
           " FROM levels WHERE sound = sounds.id ORDER BY name)), '');"
           "DROP TABLE old_levels"));
  NJ_TRY(
      nj_catalogue_run(c, "DROP TABLE old_segments; DROP TABLE old_sounds; DROP TABLE old_meta"));
  NJ_TRY(seal_old(c));
  return seal_old_levels(c);
}

static nj_status migrate(nj_catalogue *c) {
  kind k;
  NJ_TRY(nj_catalogue_begin(c, -1));
  nj_status st = read_kind(c, &k);
  if (!st && k.version < SCHEMA_VERSION) /* else another process was faster */
    st = move_everything(c, k.version);
  if (!st)
    st = nj_catalogue_commit(c);
  return st ? nj_catalogue_give_up(c, st) : NJ_OK;
}

/* ---- what is there ---- */

/* The tables are those of the version, word for word, and nothing else is: no table is a view, no
 * trigger runs, no column reads another. */
static nj_status check_tables(nj_catalogue *c) {
  sqlite3_stmt *statement = NULL;
  int row = 0, known = 0, odd = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
      &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    const char *name, *sql;
    int i = 0;
    st = nj_catalogue_text(c, statement, 0, &name);
    if (!st)
      st = nj_catalogue_text(c, statement, 1, &sql);
    if (st)
      break;
    while (i < N_TABLES &&
           !(name && sql && !strcmp(name, tables[i].name) && !strcmp(sql, tables[i].sql)))
      i++;
    if (i < N_TABLES)
      known++;
    else
      odd++;
  }
  sqlite3_finalize(statement);
  if (st)
    return st;
  if (known != N_TABLES || odd)
    return nj_fail(c->ctx, NJ_EFORMAT,
                   "%s: its tables are not those of a sound library of version %d; the file is "
                   "damaged",
                   c->path, SCHEMA_VERSION);
  return NJ_OK;
}

nj_status nj_catalogue_check_schema(nj_catalogue *c, const nj_catalogue_options *options) {
  kind k;
  NJ_TRY(read_kind(c, &k));
  if (is_new(&k) && options->mode == NJ_CATALOGUE_CREATE) {
    NJ_TRY(create(c, options));
    NJ_TRY(read_kind(c, &k));
  }
  if (is_new(&k))
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: an empty file, not a sound library", c->path);
  if (k.application != APPLICATION_ID)
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: an SQLite file, but not a nightjar sound library",
                   c->path);
  if (k.version < 1 || k.version > SCHEMA_VERSION)
    return nj_fail(c->ctx, NJ_EUNSUPPORTED,
                   "%s: sound library of version %lld, this nightjar reads versions up to %d",
                   c->path, (long long)k.version, SCHEMA_VERSION);
  if (k.version < SCHEMA_VERSION && options->mode == NJ_CATALOGUE_READ)
    return nj_fail(c->ctx, NJ_EUNSUPPORTED,
                   "%s: sound library of version %lld; nightjar index brings it up to version %d "
                   "and keeps what it holds",
                   c->path, (long long)k.version, SCHEMA_VERSION);
  if (k.version < SCHEMA_VERSION)
    NJ_TRY(migrate(c));
  return check_tables(c);
}
