"""What Portuguese headers call columns, in Portugal and in Brazil."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Nome completo", "Nome e sobrenome", "Nome e apelido", "Nome e apelidos", "Nome Sobrenome", "Nome Apelido",
        "Nome do funcionário", "Nome funcionário", "Nome do colaborador", "Nome colaborador", "Nome do empregado",
        "Nome do trabalhador",
    ),
    "name": ("Nome", "Nome de exibição", "Nome de apresentação", "Pessoa"),
    "employee": ("Funcionário", "Funcionária", "Colaborador", "Colaboradora", "Empregado", "Trabalhador"),
    "given_name": ("Primeiro nome", "Nome próprio", "Nomes próprios", "Prenome"),
    "middle_name": ("Nome do meio", "Nomes do meio", "Segundo nome"),
    "family_name": ("Sobrenome", "Sobrenomes", "Último nome", "Nome de família", "Apelidos"),
    # In Brazil it is a nickname, so what is a family name anywhere comes first.
    "other_family_name": ("Apelido",),
    "company_name": (
        "Empresa", "Nome da empresa", "Nome empresa", "Nome (empresa)", "Companhia", "Sociedade", "Razão social",
        "Nome fantasia", "Organização", "Nome da organização", "Entidade patronal", "Empregador", "Firma",
    ),
    "legal_entity": ("Entidade legal", "Entidade jurídica", "Filial"),
    "mobile": (
        "Telemóvel", "Celular", "Móvel", "Telefone celular", "Telefone móvel", "Tel. celular", "Tel. móvel",
        "Número de telemóvel", "Número do telemóvel", "Número de celular", "Número do celular",
        "Número de telefone celular", "Número de telefone móvel",
        "Nº de telemóvel", "Nº telemóvel", "Nº de celular", "Nº do celular", "Nº celular",
        "Telemóvel profissional", "Telemóvel de serviço", "Celular corporativo", "Celular profissional",
        "Celular da empresa",
    ),
    "private_mobile": ("Telemóvel pessoal", "Celular pessoal", "Celular particular"),
    "phone": (
        "Telefone", "Telefone 1", "Tel.", "Fone", "Número de telefone", "Nº de telefone", "Nº telefone",
        "Telefone de contato", "Telefone de contacto", "Contacto telefónico",
    ),
    "work_phone": (
        "Telefone comercial", "Telefone do trabalho", "Telefone de trabalho", "Telefone profissional",
        "Telefone do escritório", "Telefone corporativo", "Telefone da empresa",
    ),
    "email_address": (
        "Correio eletrónico", "Correio electrónico", "Endereço de e-mail", "Endereço e-mail",
        "Endereço de correio eletrónico", "Endereço eletrónico", "Mail", "E-mail do funcionário",
        "E-mail do colaborador",
    ),
    "work_email": (
        "E-mail corporativo", "E-mail profissional", "E-mail comercial", "E-mail do trabalho", "E-mail de trabalho",
        "E-mail da empresa", "Endereço de e-mail profissional",
    ),
    "other_email": ("E-mail pessoal", "E-mail particular", "E-mail privado", "Endereço de e-mail 2"),
    "somebody_else": (
        "Responsável", "Gestor", "Chefe", "Emergência", "Contato de emergência", "Contacto de emergência", "Cônjuge",
        "Antigo",
    ),
}  # fmt: skip
