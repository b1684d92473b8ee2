package sqlite

import (
	"context"
	"database/sql"
)

// prepare prepares the SQL in pairs and stores each statement at its key.
func prepare(ctx context.Context, on interface {
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}, pairs map[**sql.Stmt]string) error {
	for to, query := range pairs {
		st, err := on.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		*to = st
	}
	return nil
}

// alive is the condition that a row has not expired. ?1 is the current second in all statements with it.
const alive = `(expires = 0 OR expires > ?1)`

// atKey selects a row by its key.
const atKey = `tenant = ?2 AND kind = ?3 AND sort = ?4`

type readStatements struct {
	get, forward, backward, changes, position *sql.Stmt
}

func prepareReads(ctx context.Context, d *sql.DB) (st readStatements, err error) {
	const query = `SELECT sort, version, expires, body FROM rows
		WHERE tenant = ?2 AND kind = ?3 AND sort > ?4 AND (?5 = '' OR sort < ?5) AND ` + alive
	err = prepare(ctx, d, map[**sql.Stmt]string{
		&st.get:      `SELECT version, expires, body FROM rows WHERE ` + atKey + ` AND ` + alive,
		&st.forward:  query + ` ORDER BY sort LIMIT ?6`,
		&st.backward: query + ` ORDER BY sort DESC LIMIT ?6`,
		&st.position: `SELECT position FROM feeds WHERE name = ?`,
		&st.changes: `SELECT c.seq, c.tenant, c.kind, c.sort, r.version, r.expires, r.body FROM changes c
			LEFT JOIN rows r ON r.tenant = c.tenant AND r.kind = c.kind AND r.sort = c.sort
			WHERE c.seq > ? ORDER BY c.seq LIMIT ?`,
	})
	return st, err
}

type writeStatements struct {
	begin, commit, rollback                                 *sql.Stmt
	state, putAbsent, putAt, putAny, delAt, delDead, delAny *sql.Stmt
	change, dropExpired                                     *sql.Stmt
	makeFeed, moveFeed, dropFeed, dropChanges               *sql.Stmt
	dedupe, send, oldest, loose, hold, bury                 *sql.Stmt
	done, release, groups, holds, nextLoose, dropDedupes    *sql.Stmt
}

func (st *writeStatements) prepare(ctx context.Context, conn *sql.Conn) error {
	const put = `INSERT INTO rows (tenant, kind, sort, version, expires, body) VALUES (?2, ?3, ?4, 1, ?5, ?6)
		ON CONFLICT (tenant, kind, sort) DO UPDATE SET `
	const mine = `id = ?1 AND queue = ?2 AND receives = ?3 AND held = 1`
	// Without INDEXED BY, SQLite chooses between the partial indexes by the bound values, and prepares a statement
	// again whenever these change.
	return prepare(ctx, conn, map[**sql.Stmt]string{
		&st.begin:    `BEGIN IMMEDIATE`,
		&st.commit:   `COMMIT`,
		&st.rollback: `ROLLBACK`,

		&st.state:     `SELECT version FROM rows WHERE ` + atKey + ` AND ` + alive,
		&st.putAbsent: put + `version = 1, expires = excluded.expires, body = excluded.body WHERE NOT ` + alive,
		&st.putAny:    put + `version = version + 1, expires = excluded.expires, body = excluded.body WHERE ?1 > 0`,
		&st.putAt: `UPDATE rows SET version = version + 1, expires = ?5, body = ?6
			WHERE ` + atKey + ` AND version = ?7 AND ` + alive,
		&st.delAt:   `DELETE FROM rows WHERE ` + atKey + ` AND version = ?5 AND ` + alive,
		&st.delDead: `DELETE FROM rows WHERE ` + atKey + ` AND NOT ` + alive,
		&st.delAny:  `DELETE FROM rows WHERE ` + atKey + ` AND ?1 > 0`,

		&st.change: `INSERT INTO changes (seq, tenant, kind, sort) VALUES (?, ?, ?, ?)`,
		&st.dropExpired: `DELETE FROM rows
			WHERE rowid IN (SELECT rowid FROM rows WHERE expires > 0 AND expires <= ? LIMIT ?)
			RETURNING tenant, kind, sort`,
		&st.makeFeed: `INSERT INTO feeds (name, position) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		&st.moveFeed: `UPDATE feeds SET position = ?2 WHERE name = ?1 AND position < ?2`,
		&st.dropFeed: `DELETE FROM feeds WHERE name = ?`,
		&st.dropChanges: `DELETE FROM changes WHERE seq IN (SELECT seq FROM changes
			WHERE seq <= (SELECT coalesce(min(position), 1 << 62) FROM feeds) ORDER BY seq LIMIT ?)`,

		&st.dedupe: `INSERT INTO dedupes (queue, dedupe, until) VALUES (?1, ?2, ?3)
			ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <= ?4`,
		&st.dropDedupes: `DELETE FROM dedupes
			WHERE (queue, dedupe) IN (SELECT queue, dedupe FROM dedupes WHERE until <= ? LIMIT ?)`,
		&st.send: `INSERT INTO messages (id, queue, grp, dedupe, sent, visible, held, receives, body)
			VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?)`,
		&st.oldest: `SELECT id, receives, dedupe, sent, body FROM messages INDEXED BY messages_grouped
			WHERE queue = ? AND grp = ? AND grp <> '' ORDER BY id LIMIT ?`,
		&st.loose: `SELECT id, receives, dedupe, sent, body FROM messages INDEXED BY messages_loose
			WHERE queue = ? AND grp = '' AND visible <= ? ORDER BY visible, id LIMIT ?`,
		&st.hold:      `UPDATE messages SET visible = ?2, held = 1, receives = receives + 1 WHERE id = ?1`,
		&st.bury:      `UPDATE messages SET queue = ?2, visible = sent, held = 0, receives = 0 WHERE id = ?1`,
		&st.done:      `DELETE FROM messages WHERE ` + mine,
		&st.release:   `UPDATE messages SET visible = ?4, held = 0 WHERE ` + mine + ` AND visible > ?5`,
		&st.groups:    `SELECT grp FROM messages WHERE queue = ? AND grp <> '' GROUP BY grp ORDER BY min(id)`,
		&st.holds:     `SELECT id, grp, visible FROM messages WHERE queue = ? AND grp <> '' AND visible > ?`,
		&st.nextLoose: `SELECT coalesce(min(visible), 0) FROM messages WHERE queue = ? AND grp = '' AND visible > ?`,
	})
}
