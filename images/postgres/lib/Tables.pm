# How many rows the tables have: of the live server, and of one that was restored.
package Tables;
use v5.36;
use DBI;
use Exporter 'import';
our @EXPORT_OK = qw(connected counts counted missing_rows LIVE_SOCKET DATABASE);

use constant LIVE_SOCKET => '/var/lib/postgresql/socket';
use constant DATABASE => 'monopco';

sub connected ($socket, $database = 'postgres') {
    local $ENV{PGAPPNAME} = 'monopco backups';
    my $handle = DBI->connect("dbi:Pg:host=$socket;dbname=$database;connect_timeout=5", 'postgres', '',
        { RaiseError => 0, PrintError => 0, AutoCommit => 1, pg_server_prepare => 0 });
    die 'the database does not answer: ' . ($DBI::errstr // 'no reason given') . "\n" if !$handle;
    $handle->{RaiseError} = 1;
    return $handle;
}

sub counts ($socket, $database = DATABASE) {
    my $handle = connected($socket, $database);
    my $counts = counted($handle);
    $handle->disconnect;
    return $counts;
}

# Rows by "schema.table", of these schemas or of all; one look at all tables. Parts of a partitioned table count for
# themselves.
sub counted ($handle, $schemas = undef) {
    $handle->do('SET max_parallel_workers_per_gather = 0');
    $handle->do('SET statement_timeout = 0');
    $handle->do('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    my $tables = $handle->selectcol_arrayref(<<~'END', undef, $schemas, $schemas);
        SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind IN ('r', 'm') AND relpersistence = 'p' AND nspname !~ '^(pg_|information_schema$)'
            AND (?::text[] IS NULL OR nspname = ANY (?::text[]))
        ORDER BY 1
        END
    my %counts = map { ($_ => 0 + $handle->selectrow_array("SELECT count(*) FROM $_")) } @$tables;
    $handle->do('COMMIT');
    return \%counts;
}

# What is wrong with `$found` when it should lie between two earlier and later counts; a line for each table.
# Rows come and go between two looks, so each bound gives way by `$share` of it and by 100 rows.
sub missing_rows ($found, $before, $after, $share) {
    my @wrong;
    for my $table (sort keys %$before) {
        next if !exists $after->{$table};
        my ($low, $high) = sort { $a <=> $b } $before->{$table}, $after->{$table};
        if (!exists $found->{$table}) {
            push @wrong, "$table is missing";
        }
        elsif ($found->{$table} < $low * (1 - $share) - 100 || ($low > 0 && $found->{$table} == 0)) {
            push @wrong, "$table has $found->{$table} rows, and had $low";
        }
        elsif ($found->{$table} > $high * (1 + $share) + 100) {
            push @wrong, "$table has $found->{$table} rows, more than the $high that it had";
        }
    }
    return @wrong;
}

1;
