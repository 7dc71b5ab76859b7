# What the monitoring is told of the backups, as a file of Prometheus' text format.
package Figures;
use v5.36;
use List::Util qw(min);
use Repository qw(epoch);

use constant FOLDER => '/var/lib/monopco/metrics';

# Nothing where nobody watches. The place that is worst off is what is told; a moment that never was is left out.
sub leave ($facts) {
    return if !-d FOLDER;
    my @places = values %{ $facts->{places} // {} };
    my %moments = (
        success => [ map { $_->{newest} && $_->{newest}{at} } @places ],
        proved => [ map { $_->{proved_at} } @places ],
        first => [ map { $_->{oldest_at} } @places ],
    );
    my @lines = map {
        my ($name, @at) = ($_, @{ $moments{$_} });
        @at && !grep({ !defined } @at) ? "monopco_backup_${name}_timestamp_seconds " . min(map { epoch($_) } @at) : ();
    } sort keys %moments;
    my $lag = ($facts->{archive} // {})->{lag_seconds} // 0;
    my $trouble = @{ $facts->{problems} } ? 1 : 0;
    my $file = FOLDER . '/backups.prom';
    open my $handle, '>', "$file.$$" or die "cannot write $file: $!\n";
    print {$handle} map { "$_\n" } @lines, 'monopco_backups_expected 1', "monopco_wal_lag_seconds $lag",
        qq(monopco_backup_trouble{reason="what ./monopco backups lists"} $trouble);
    close $handle or die "cannot write $file: $!\n";
    chmod 0644, "$file.$$";
    rename "$file.$$", $file or die "cannot write $file: $!\n";
    return;
}

1;
