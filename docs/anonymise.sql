-- By which a copy of MonOPCO's data tells of nobody: ./monopco restore --into-stack dev --anonymise docs/anonymise.sql -s prod
--
-- It runs on the copy, in one transaction, before anything leaves the server. A statement that fails stops all of it. A
-- table that a later script adds is in the copy as it is until it has its lines here: read this file when you add one.
-- Numbers and dates stay, so that the copy behaves as production does; texts that people wrote do not.

-- Who signs in. A password or a token of production opens nothing in the copy.
UPDATE auth.users SET
    email = 'user-' || left(md5(id::text), 12) || '@example.invalid',
    encrypted_password = NULL, phone = NULL, phone_change = '', raw_user_meta_data = '{}', raw_app_meta_data = '{}',
    confirmation_token = '', recovery_token = '', email_change = '', email_change_token_new = '',
    email_change_token_current = '', phone_change_token = '', reauthentication_token = '';

-- Of the SQL scripts in MonOPCO's repository. opco_directory holds no people: public names and addresses of OPCOs.
UPDATE public.email_templates SET nom = 'Modèle ' || left(md5(id::text), 6), sujet = 'Sujet', corps = 'Corps du message.';
UPDATE public.notifications SET title = 'Notification', message = 'Message.';
UPDATE public.opco_estimations SET
    -- The same company stays the same one: 14 digits that follow from the SIRET and lead to nobody.
    siret = lpad((abs(hashtextextended(siret, (SELECT (random() * 1e18)::bigint))) % 100000000000000)::text, 14, '0'),
    nom_entreprise = 'Entreprise ' || left(md5(id::text), 6),
    details_calcul = NULL;

-- Tables that MonOPCO's page uses, and that exist only where they were made by hand at Supabase.
DO $rules$
BEGIN
    IF to_regclass('public.users') IS NOT NULL THEN
        UPDATE public.users SET email = 'user-' || left(md5(id::text), 12) || '@example.invalid', prenom = 'Prénom',
            nom = 'Nom', entreprise_nom = 'Entreprise', entreprise_siret = NULL;
    END IF;
    IF to_regclass('public.dossiers') IS NOT NULL THEN
        UPDATE public.dossiers SET titre = 'Dossier ' || left(md5(id::text), 6), description = NULL;
    END IF;
    IF to_regclass('public.documents') IS NOT NULL THEN
        -- The files themselves lie in Supabase's storage, and no copy has them.
        UPDATE public.documents SET nom_fichier = left(md5(id::text), 6) || '.pdf', url_stockage = '', storage_path = '';
    END IF;
    IF to_regclass('public.emails') IS NOT NULL THEN
        UPDATE public.emails SET destinataire = 'nobody@example.invalid', sujet = 'Sujet', contenu = 'Contenu.';
    END IF;
END
$rules$;
