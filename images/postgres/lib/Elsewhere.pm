# A database that is somebody else's, reached by the connection among the settings. No argument holds any of it.
package Elsewhere;
use v5.36;
use DBI;
use Exporter 'import';
our @EXPORT_OK = qw(elsewhere server);

use constant SETTINGS => '/etc/pgbackrest';

# Runs what is given with libpq's environment, which the scratch server must not be met with.
sub elsewhere ($work) {
    open my $file, '<', SETTINGS . '/connection' or die 'there is no ' . SETTINGS . "/connection\n";
    my %connection = map { /\A(PG[A-Z]+)=(.*)$/ ? ($1 => $2) : () } <$file>;
    my @authority = ($connection{PGSSLMODE} // '') eq 'verify-full' ? (PGSSLROOTCERT => 'system') : ();
    %connection = (PGCONNECT_TIMEOUT => 15, @authority, %connection, PGPASSFILE => SETTINGS . '/pgpass', PGCLIENTENCODING => 'UTF8',
        PGAPPNAME => 'monopco backups');
    local @ENV{ keys %connection } = values %connection;
    return $work->();
}

sub server () {
    my $handle = elsewhere(sub { DBI->connect('dbi:Pg:', undef, undef, { RaiseError => 0, PrintError => 0, AutoCommit => 1, pg_server_prepare => 0 }) });
    die 'the database does not answer: ' . ($DBI::errstr // 'no reason given') . "\n" if !$handle;
    $handle->{RaiseError} = 1;
    return $handle;
}

1;
