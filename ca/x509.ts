/**
 * The one importer of @peculiar/x509: the library throws on import unless a reflect polyfill was loaded before, and
 * this file is what keeps the order. For ceremonies only; issuing uses its own templates.
 */
import 'reflect-metadata';

export * from '@peculiar/x509';
