-- What app/shell/schema.py writes into migrations/schema.txt. Every query yields (group, line); the lines of a group
-- stand in the order of the queries, those of one query in the order of their text.

-- == database

-- extensions
SELECT 'extensions', extname FROM pg_extension WHERE extname <> 'plpgsql';

-- schemas
SELECT 'schemas',
       n.nspname || ': ' || string_agg(
         coalesce(nullif(x.grantee::regrole::text, '-'), 'public') || ' ' || lower(x.privilege_type),
         ', ' ORDER BY x.grantee::regrole::text, x.privilege_type)
  FROM pg_namespace n
 CROSS JOIN aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS x
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 GROUP BY n.nspname;

-- default privileges
SELECT 'default privileges',
       'of ' || pg_get_userbyid(d.defaclrole) || ' on ' || CASE d.defaclobjtype WHEN 'r' THEN 'tables'
         WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END
       || coalesce(' in ' || nullif(d.defaclnamespace, 0)::regnamespace::text, '') || ' to '
       || coalesce(nullif(x.grantee::regrole::text, '-'), 'public') || ': '
       || string_agg(lower(x.privilege_type), ', ' ORDER BY x.privilege_type)
  FROM pg_default_acl d
 CROSS JOIN aclexplode(d.defaclacl) AS x
 GROUP BY d.oid, d.defaclrole, d.defaclobjtype, d.defaclnamespace, x.grantee;

-- types
SELECT 'types', 'type ' || t.typname || ' of kind ' || t.typtype::text
  FROM pg_type t
 WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('d', 'e', 'r')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e');

-- sequences
SELECT 'sequences',
       c.relname || ' owner ' || pg_get_userbyid(c.relowner)
       || coalesce((SELECT '; ' || string_agg(pg_get_userbyid(x.grantee) || ': ' || lower(x.privilege_type), ', '
                                              ORDER BY x.grantee::regrole::text, x.privilege_type)
                      FROM aclexplode(c.relacl) AS x WHERE x.grantee <> c.relowner), '')
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S';

-- functions
SELECT 'functions',
       rtrim(pg_get_functiondef(p.oid), E'\n')
       || coalesce((SELECT E'\n' || string_agg(
                           'grant to ' || coalesce(nullif(x.grantee::regrole::text, '-'), 'public'),
                           E'\n' ORDER BY x.grantee::regrole::text)
                      FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x), '')
  FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e');

-- == tables

-- tables
SELECT c.oid::regclass::text,
       CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'p' THEN 'partitioned table'
                      ELSE 'table' END
       || ' owner ' || pg_get_userbyid(c.relowner)
       || CASE WHEN c.relrowsecurity THEN ', row security enabled' ELSE ', no row security' END
       || CASE WHEN c.relforcerowsecurity THEN ' and forced' ELSE '' END
       || coalesce(', options ' || c.reloptions::text, '')
       || coalesce(', partitioned by ' || pg_get_partkeydef(c.oid), '')
       || coalesce(', partition ' || pg_get_expr(c.relpartbound, c.oid), '')
       || CASE WHEN c.relkind IN ('v', 'm') THEN E'\n' || pg_get_viewdef(c.oid) ELSE '' END
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm');

-- columns
SELECT a.attrelid::regclass::text,
       'column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN ' collate ' || a.attcollation::regcollation::text ELSE '' END
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
       || CASE a.attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity by default' ELSE '' END
       || CASE WHEN a.attgenerated <> '' THEN ' generated ' || pg_get_expr(d.adbin, d.adrelid)
               ELSE coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') END
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped;

-- constraints
SELECT o.conrelid::regclass::text,
       'constraint ' || o.conname || ' ' || pg_get_constraintdef(o.oid) || CASE WHEN o.convalidated THEN '' ELSE ' !' END
  FROM pg_constraint o
 WHERE o.connamespace = 'public'::regnamespace AND o.conrelid <> 0 AND o.contype IN ('p', 'u', 'x', 'c', 'f');

-- indexes
SELECT i.indrelid::regclass::text,
       CASE WHEN i.indisvalid THEN '' ELSE 'INVALID ' END || 'index ' || pg_get_indexdef(i.indexrelid)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
 WHERE NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'));

-- policies
SELECT p.polrelid::regclass::text,
       'policy ' || p.polname || CASE WHEN p.polpermissive THEN '' ELSE ' restrictive' END || ' for '
       || CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                        ELSE 'delete' END
       || ' to ' || (SELECT string_agg(coalesce(nullif(r::regrole::text, '-'), 'public'), ', ' ORDER BY r::regrole::text)
                       FROM unnest(p.polroles) AS r)
       || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
       || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
  FROM pg_policy p
  JOIN pg_class c ON c.oid = p.polrelid AND c.relnamespace = 'public'::regnamespace;

-- triggers
SELECT t.tgrelid::regclass::text,
       'trigger ' || pg_get_triggerdef(t.oid)
       || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' (disabled)' ELSE ' (enabled ' || t.tgenabled::text || ')' END
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace
 WHERE NOT t.tgisinternal;

-- relation grants
SELECT c.oid::regclass::text,
       'grant to ' || coalesce(nullif(x.grantee::regrole::text, '-'), 'public') || ': '
       || string_agg(lower(x.privilege_type) || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', '
                     ORDER BY x.privilege_type)
  FROM pg_class c
 CROSS JOIN aclexplode(c.relacl) AS x
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND x.grantee <> c.relowner
 GROUP BY c.oid, x.grantee;

-- column grants
SELECT a.attrelid::regclass::text,
       'grant to ' || coalesce(nullif(x.grantee::regrole::text, '-'), 'public') || ' on columns: '
       || lower(x.privilege_type) || ' (' || string_agg(a.attname, ', ' ORDER BY a.attname) || ')'
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace
 CROSS JOIN aclexplode(a.attacl) AS x
 GROUP BY a.attrelid, x.grantee, x.privilege_type;
