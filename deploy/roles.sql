-- Database roles and the database itself. Run by a superuser, as often as you like:
--
--   psql -X -v ON_ERROR_STOP=1 -d postgres -f deploy/roles.sql
--
-- `-v database=NAME` chooses another name than "wemaster". Passwords are not set here; afterwards say
-- `\password wm_owner`, `\password wm_app` and `\password wm_backup`. The embedded server runs this same file.
-- PostgreSQL 15 or newer.
\set QUIET on
\if :{?database}
\else
  \set database wemaster
\endif
SET client_min_messages = warning;

-- Two sessions that bootstrap at the same moment wait for each other instead of failing on a duplicate role.
SELECT pg_advisory_lock(7268436) \g /dev/null

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY['wm_owner', 'wm_app', 'wm_platform', 'wm_backup']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- wm_owner: owns the database and its tables, runs the migrations.
ALTER ROLE wm_owner LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- wm_app: what the application signs in as. NOINHERIT: the platform's policies hold only after SET ROLE.
ALTER ROLE wm_app LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- wm_platform: the role whose row policies see every tenant.
ALTER ROLE wm_platform NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- wm_backup: reads everything for pg_dump.
ALTER ROLE wm_backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS;

-- From PostgreSQL 16 on, a grant remembers whether its member inherits: it takes that from the member's INHERIT
-- above. So wm_owner sees all rows in a data migration (RLS is forced on owners too), wm_app must SET ROLE first.
GRANT wm_platform TO wm_owner, wm_app;
GRANT pg_read_all_data TO wm_backup;

SELECT format('CREATE DATABASE %I OWNER wm_owner', :'database')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO wm_app, wm_backup;
SELECT pg_advisory_unlock(7268436) \g /dev/null

\connect :"database"
SET client_min_messages = warning;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
